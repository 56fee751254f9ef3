import type { ListedCommand } from './all.ts';
import type { Argument, Command, Option } from './command.ts';

/** The completion function for zsh: to be saved as \`_sluice\` in a folder of \`fpath\`, or sourced. */
export function zshCompletion(listed: readonly ListedCommand[]): string {
  return `#compdef sluice
# Completion of sluice for zsh. Made by: sluice completion zsh

_sluice_devices() {
  local -a ids
  local word file
  for word in $words[2,-1]; do [[ $word != -* && -f $word ]] && file=$word; done
  ids=(\${(f)"$(_call_program devices sluice completion devices $file 2>/dev/null)"})
  compadd -a ids
}

_sluice() {
  local -a found
  if (( CURRENT == 2 )); then
    found=(${described(listed)} 'help:explains a command')
    _describe command found
    return
  fi
  if [[ $words[2] == help ]]; then
    shift words
    (( CURRENT-- ))
    if (( CURRENT == 2 )); then
      found=(${described(listed)})
      _describe command found
      return
    fi
  fi
  case $words[2] in
${listed.map((one) => commandCase(one, 2)).join('\n')}
  esac
}

# Sourced, it announces itself; loaded from fpath, it is called.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _sluice "$@"; else compdef _sluice sluice; fi
`;
}

function commandCase({ word, command }: ListedCommand, at: number): string {
  const pad = '  '.repeat(at);
  if (!('listed' in command))
    return `${pad}${word})
${pad}  shift ${at - 1} words
${pad}  (( CURRENT -= ${at - 1} ))
${pad}  _arguments ${specsOf(command).join(` \\\n${pad}    `)} ;;`;
  return `${pad}${word})
${pad}  if (( CURRENT == ${at + 1} )); then
${pad}    found=(${described(command.listed)})
${pad}    _describe command found
${pad}    return
${pad}  fi
${pad}  case $words[${at + 1}] in
${command.listed.map((one) => commandCase(one, at + 1)).join('\n')}
${pad}  esac ;;`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const plain = (text: string): string => text.replaceAll(/[[\]:\\]/g, '\\$&').replaceAll('\n', ' ');

function described(listed: readonly ListedCommand[]): string {
  return listed.map(({ word, summary }) => quoted(`${word}:${summary}`)).join(' ');
}

function specsOf(command: Command): string[] {
  const options = Object.entries(command.options).map(([name, option]) => {
    const repeat = option.multiple === true ? '*' : '';
    const value = option.value === undefined ? '' : `:${plain(option.value)}:${actionOf(option)}`;
    return quoted(`${repeat}--${name}${option.value === undefined ? '' : '='}[${plain(option.about)}]${value}`);
  });
  const given = command.arguments.map((one, at) => quoted(`${at + 1}:${one.name}:${actionOf(one)}`));
  return [...options, "'--help[what it takes]'", ...given];
}

function actionOf({ value, choices, name }: Partial<Option & Argument>): string {
  if (choices !== undefined) return `(${choices.join(' ')})`;
  const what = value ?? name;
  return what === 'FILE' ? '_files' : what === 'FOLDER' ? '_files -/' : what === 'DEVICE' ? '_sluice_devices' : ' ';
}
