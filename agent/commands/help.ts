import type { Argument, Command, CommandGroup, CommandTable, Option } from './command.ts';

/** `sluice read [FILE] [--device DEVICE]... [--json]` */
export function usageOf(command: Command): string {
  const words = [
    ...command.arguments.map(argumentText),
    ...Object.entries(command.options).map(
      ([name, option]) => `[${optionText(name, option)}]${option.multiple === true ? '...' : ''}`,
    ),
  ];
  return ['sluice', command.name, ...words].join(' ');
}

/** For `sluice COMMAND --help`. */
export function helpOf(command: Command): string {
  const rows: [string, string][] = [
    ...command.arguments.map((one): [string, string] => [one.name, one.about]),
    ...Object.entries(command.options).map(([name, option]): [string, string] => [
      optionText(name, option),
      option.multiple === true ? `${option.about}; may stand several times` : option.about,
    ]),
    ['--help', 'this text'],
  ];
  const parts = [
    wrapped(usageOf(command), 2),
    command.about,
    columns(rows),
    ...(command.notes === undefined ? [] : [command.notes]),
    `Examples:\n${columns(command.examples.map(({ line, about }) => [line, about]))}`,
    `Exit codes: ${exitsOf(command)
      .map(([code, meaning]) => `${code} ${meaning}`)
      .join(', ')}.`,
  ];
  return `${parts.join('\n\n')}\n`;
}

/** For `sluice --help`, and for a group: the commands under a name. `name` null: `sluice` itself. */
export function listOf(group: CommandGroup | null, table: CommandTable): string {
  const prefix = group === null ? '' : `${group.name} `;
  const rows = [
    ...Object.entries(table).map(([name, { summary }]): [string, string] => [`${prefix}${name}`, summary]),
    ...(group === null ? [['help', 'explains a command: sluice help COMMAND'] as const] : []),
  ];
  return `sluice ${prefix}COMMAND [FILE] [OPTIONS]

${group === null ? '' : `${group.about}\n\n`}${columns(rows)}

  sluice ${prefix}COMMAND --help   what it takes, with examples${
    group === null
      ? `
  sluice --version

Exit codes: 0 fine, 1 it ran and something is bad, 2 usage, 78 configuration.`
      : ''
  }
`;
}

/** Codes with their meaning, usage among them, in order. */
export function exitsOf({ exits }: Command): [number, string][] {
  return Object.entries({ ...exits, 2: 'usage' }).map(([code, meaning]) => [Number(code), meaning]);
}

function argumentText({ name, required }: Argument): string {
  return required === true ? name : `[${name}]`;
}

/** `--every <time>`, as help and the command reference write it. */
export function optionText(name: string, { value }: Option): string {
  return value === undefined ? `--${name}` : `--${name} ${value}`;
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => wrapped(`  ${left.padEnd(width)}  ${right}`, width + 4)).join('\n');
}

const widest = 140;

/** Lines of at most `widest` characters, broken at blanks; what comes after the first begins `indent` further in. */
function wrapped(text: string, indent: number): string {
  const begin = ' '.repeat(indent);
  return text
    .split('\n')
    .flatMap((line, at) => {
      const lines: string[] = [];
      let rest = at === 0 ? line : `${begin}${line}`;
      while (rest.length > widest) {
        const cut = rest.lastIndexOf(' ', widest);
        if (cut <= indent) break;
        lines.push(rest.slice(0, cut).trimEnd());
        rest = `${begin}${rest.slice(cut + 1)}`;
      }
      return [...lines, rest];
    })
    .join('\n');
}
