import { parseArgs } from 'node:util';
import { nearest } from '../config/nearest.ts';
import { UsageError } from '../errors.ts';
import type { Command, CommandArgs, CommandTable, Option } from './command.ts';

/** What stands behind a command, or `help` when that was asked for. Throws UsageError with what is allowed. */
export function parse(command: Command, args: readonly string[]): CommandArgs | 'help' {
  const see = `see sluice ${command.name} --help`;
  const known: Readonly<Record<string, Option>> = { ...command.options, help: { about: '' } };
  const { tokens } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries(
        Object.entries(known).map(([name, { value }]) => [name, { type: value === undefined ? 'boolean' : 'string' }]),
      ),
      help: { type: 'boolean', short: 'h' },
    },
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  if (tokens.some((token) => token.kind === 'option' && token.name === 'help')) return 'help';
  const values: Record<string, string | boolean | string[]> = {};
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName, value } = token;
    const option = Object.hasOwn(command.options, name) ? command.options[name] : undefined;
    if (option === undefined) {
      const meant = nearest(
        rawName,
        Object.keys(known).map((each) => `--${each}`),
      );
      throw new UsageError(
        `${command.name} has no option ${rawName}; ${meant === undefined ? see : `did you mean \`${meant}\`?`}`,
      );
    }
    const stated = valueOf(command, rawName, option, value, token.inlineValue === true);
    if (option.multiple === true) values[name] = [...((values[name] as string[] | undefined) ?? []), String(stated)];
    else if (name in values && option.value !== undefined)
      throw new UsageError(`${command.name}: ${rawName} stands twice; once is allowed`);
    else values[name] = stated;
  }
  const extra = positionals[command.arguments.length];
  if (extra !== undefined) throw new UsageError(`${command.name} takes no ${JSON.stringify(extra)}; ${see}`);
  for (const [at, { name, required, choices }] of command.arguments.entries()) {
    const given = positionals[at];
    if (given === undefined && required === true)
      throw new UsageError(
        `${command.name} needs ${name}${choices === undefined ? '' : `, one of ${choices.join(', ')}`}; ${see}`,
      );
    if (given !== undefined) refuseOthers(name, given, choices);
  }
  return { values, positionals };
}

/** What may stand for such a value. */
const usual: Readonly<Record<string, string>> = {
  DEVICE: 'EM-104',
  FILE: 'site.json',
  FOLDER: '/var/lib/sluice/buffer',
  N: '10',
};

function valueOf(
  command: Command,
  rawName: string,
  option: Option,
  value: string | undefined,
  isInline: boolean,
): string | boolean {
  if (option.value === undefined) {
    if (value !== undefined) throw new UsageError(`${command.name}: ${rawName} takes no value`);
    return true;
  }
  // `--device --json` forgot something; `--device=--json` means it, and -1 is a number.
  if (value === undefined || value === '' || (!isInline && /^-\D/.test(value))) {
    const { choices, example = choices?.[0] ?? usual[option.value] } = option;
    const words = choices === undefined ? '' : `, one of ${choices.join(', ')}`;
    throw new UsageError(
      `${command.name}: ${rawName} needs ${option.value}${words}${example === undefined ? '' : `, e.g. ${rawName} ${example}`}`,
    );
  }
  refuseOthers(rawName, value, option.choices);
  return value;
}

function refuseOthers(what: string, given: string, choices: readonly string[] | undefined): void {
  if (choices === undefined || choices.includes(given)) return;
  const meant = nearest(given, choices);
  throw new UsageError(
    `${what} is ${JSON.stringify(given)}; allowed: ${choices.join(', ')}${meant === undefined ? '' : ` (did you mean \`${meant}\`?)`}`,
  );
}

/** The name in the table, or UsageError with the likeliest. `prefix`: the words before it, `buffer ` or nothing. */
export function nameIn(table: CommandTable, word: string, prefix: string): string {
  if (Object.hasOwn(table, word)) return word;
  const names = Object.keys(table);
  const meant = nearest(word, prefix === '' ? [...names, 'help', '--version'] : names);
  const hint =
    meant === undefined
      ? `the commands are ${names.map((name) => `${prefix}${name}`).join(', ')}`
      : `did you mean \`${prefix}${meant}\`?`;
  throw new UsageError(`there is no command ${JSON.stringify(`${prefix}${word}`)}; ${hint}`);
}

/** A whole number from an option. */
export function numberOf(args: CommandArgs, name: string, from: number, to: number): number | undefined {
  const stated = args.values[name];
  if (stated === undefined) return undefined;
  const number = /^\d{1,15}$/.test(String(stated)) ? Number(stated) : Number.NaN;
  if (number >= from && number <= to) return number;
  throw new UsageError(
    `--${name} is ${JSON.stringify(stated)}; allowed: a whole number, ${to === Number.MAX_SAFE_INTEGER ? `${from} or more` : `${from}…${to}`}`,
  );
}
