import { singles, type ListedCommand } from './all.ts';
import type { Argument, Command, Option } from './command.ts';

/** The completion script for bash 4 and later, without the bash-completion package. */
export function bashCompletion(listed: readonly ListedCommand[]): string {
  const groups = listed.flatMap(({ word, command }) =>
    'listed' in command ? [{ word, subs: command.listed.map((one) => one.word) }] : [],
  );
  const commands = singles(listed);
  return `# Completion of sluice for bash. Made by: sluice completion bash
_sluice() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} first=1 at name file word IFS=$'\\n'
  # bash splits --option=value into three words.
  if [[ $cur == '=' ]]; then cur=; elif [[ $prev == '=' ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; fi
  [[ \${COMP_WORDS[1]} == help ]] && first=2
  if (( COMP_CWORD == first )); then
    COMPREPLY=($(compgen -W $'${[...listed.map(({ word }) => word), 'help', '--help', '--version'].join('\\n')}' -- "$cur"))
    return
  fi
  name=\${COMP_WORDS[first]}
  case $name in
${groups.map(groupCase).join('\n')}
  esac
  [[ $first == 2 ]] && return
  # --option DEVICE=WORD and --option=DEVICE=WORD: at is the equals sign in front of the word.
  at=$COMP_CWORD
  [[ \${COMP_WORDS[at]} == '=' ]] || (( at-- ))
  if [[ \${COMP_WORDS[at]} == '=' ]]; then
    word=\${COMP_WORDS[at-2]}
    [[ $word == '=' ]] && word=\${COMP_WORDS[at-3]}
    case "$name $word" in
${commands.flatMap(behindCases).join('\n')}
    esac
  fi
  case "$name $prev" in
${commands.flatMap(valueCases).join('\n')}
  esac
  if [[ $cur == -* ]]; then
    case $name in
${commands.map(optionsCase).join('\n')}
    esac
    return
  fi
  case $name in
${commands.flatMap(argumentCase).join('\n')}
  esac
}
complete -F _sluice sluice
`;
}

const words = (all: readonly string[]): string => `COMPREPLY=($(compgen -W $'${all.join('\\n')}' -- "$cur"))`;
const files = 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"))';
const folders = 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$cur"))';
/** Of the configuration on the line, if one is. */
const devices =
  'for word in "${COMP_WORDS[@]:first+1}"; do [[ $word != -* && -f $word ]] && file=$word; done; ' +
  'COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" completion devices ${file:+"$file"} 2>/dev/null)" -- "$cur"))';

function groupCase({ word, subs }: { word: string; subs: readonly string[] }): string {
  return `    ${word})
      if (( COMP_CWORD == first + 1 )); then ${words([...subs, '--help'])}; return; fi
      name="$name \${COMP_WORDS[first+1]}" ;;`;
}

/** `--fault EM-104=silent`: by option, what is offered behind the last equals sign. */
function behindCases({ name, options }: Command): string[] {
  return Object.entries(options).flatMap(([option, { wordsBehind }]) =>
    wordsBehind === undefined ? [] : [`      '${name} --${option}') ${words(wordsBehind)}; return ;;`],
  );
}

function valueCases({ name, options }: Command): string[] {
  return Object.entries(options).flatMap(([option, stated]) =>
    stated.value === undefined ? [] : [`    '${name} --${option}') ${completing(stated)}return ;;`],
  );
}

/** Nothing for what nobody can guess. */
function completing({ value, choices, wordsBehind, name }: Partial<Option & Argument>): string {
  if (choices !== undefined) return `${words(choices)}; `;
  if (wordsBehind !== undefined)
    return `${devices}; COMPREPLY=("\${COMPREPLY[@]/%/=}"); compopt -o nospace 2>/dev/null; `;
  const what = value ?? name;
  if (what === 'FILE') return `${files}; `;
  if (what === 'FOLDER') return `${folders}; `;
  return what === 'DEVICE' ? `${devices}; ` : '';
}

function optionsCase({ name, options }: Command): string {
  return `      '${name}') ${words([...Object.keys(options), 'help'].map((option) => `--${option}`))} ;;`;
}

/** The first argument, and files wherever one may stand. */
function argumentCase(command: Command): string[] {
  const [first, ...rest] = command.arguments;
  if (first === undefined) return [];
  const later = rest.find(({ name }) => name === 'FILE');
  if (later === undefined || first.choices === undefined) return [`    '${command.name}') ${completing(first)};;`];
  const at = command.name.split(' ').length + 1;
  return [
    `    '${command.name}') if (( COMP_CWORD == ${at} )); then ${completing(first)}else ${completing(later)}fi ;;`,
  ];
}
