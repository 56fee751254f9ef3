/** Tables of keys, in Markdown, from the JSON Schemas. */
import { inheritedNote, type Part } from './json-schema.ts';

interface ObjectPart extends Part {
  readonly properties?: Readonly<Record<string, Part>>;
  readonly required?: readonly string[];
}

/** `uplink.kafka` in the schema of the file, `reading` itself; of a list what is in it; `definitions` are looked up too. Throws when there is none: the template is wrong. */
export function partAt(schema: Part, path: string): ObjectPart {
  const definitions = schema['definitions'] as Readonly<Record<string, Part>> | undefined;
  const name = Object.keys(definitions ?? {}).find((each) => path === each || path.startsWith(`${each}.`)) ?? '';
  const steps = path
    .slice(name.length)
    .split('.')
    .filter((step) => step !== '');
  return steps.reduce<ObjectPart>((part, step) => {
    const found = part.properties?.[step];
    if (found === undefined) throw new Error(`the schema has no ${path}`);
    return (found['items'] as ObjectPart | undefined) ?? found;
  }, definitions?.[name] ?? schema);
}

/** The keys of one object that this version takes; `only` and `without` choose among them. */
export function keyTable(
  part: Part,
  choice: { readonly only?: ReadonlySet<string>; readonly without?: ReadonlySet<string> } = {},
): string {
  const { properties = {}, required = [] } = part as ObjectPart;
  const rows = Object.entries(properties)
    .filter(([key, each]) => each['doNotSuggest'] !== true && choice.only?.has(key) !== false)
    .filter(([key]) => choice.without?.has(key) !== true)
    .toSorted(([a], [b]) => rank(a, required) - rank(b, required))
    .map(([key, each]) => [
      `\`${key}\``,
      allowedIn(each),
      required.includes(key) ? '**required**' : defaultOf(each),
      `${textOf(each)}${examplesOf(each)}`,
    ]);
  return table(['key', 'allowed', 'default', 'what it is'], rows);
}

/** What must be there first; what every object may have last. */
function rank(key: string, required: readonly string[]): number {
  if (required.includes(key)) return 0;
  return ['enabled', 'labels', 'description'].includes(key) ? 2 : 1;
}

/** The keys of a record: every one is always there. */
export function recordTable(part: Part): string {
  const { properties = {} } = part as ObjectPart;
  const rows = Object.entries(properties).map(([key, each]) => [
    `\`${key}\``,
    typeOf(each),
    `${textOf(each)}${examplesOf(each)}`,
  ]);
  return table(['key', 'type', 'what it says'], rows);
}

/** In a table a bar ends the cell; outside of code `<` begins a tag. */
function escaped(cell: string): string {
  return cell
    .replaceAll('|', '\\|')
    .split('`')
    .map((part, index) => (index % 2 === 0 ? part.replaceAll('<', '&lt;') : part))
    .join('`');
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  return [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.map(escaped).join(' | ')} |`).join('\n');
}

const code = (value: unknown): string => `\`${JSON.stringify(value)}\``;
const stringAt = (part: Part, key: string): string | undefined => {
  const found = part[key];
  return typeof found === 'string' ? found : undefined;
};
const textOf = (part: Part): string =>
  (stringAt(part, 'markdownDescription') ?? stringAt(part, 'description') ?? '').replace(inheritedNote, '');

function defaultOf(part: Part): string {
  return part['default'] === undefined ? '' : code(part['default']);
}

function examplesOf(part: Part): string {
  const examples = (part['examples'] as readonly unknown[] | undefined) ?? [];
  return examples.length === 0 ? '' : ` E.g. ${examples.map(code).join(', ')}.`;
}

/** What may stand there: the words that `check` uses, without what the head of the page says for all. */
function allowedIn(part: Part): string {
  const words = part['enum'] as readonly string[] | undefined;
  if (words !== undefined) return wordsOf(words);
  const said = stringAt(part, 'errorMessage');
  if (said === undefined)
    return typesOf(part)
      .map((type) => named[type] ?? type)
      .join(', or ');
  return said
    .replace(/^allowed: /, '')
    .replace(/, e\.g\. .*$/, '')
    .replace(/, as one number and one .*$/, '')
    .replace(/^1 to 64 of the characters .*$/, 'an id')
    .replace(/^text of 1 to \d+ characters$/, 'text')
    .replaceAll(/"[^"]*"/g, (quoted) => `\`${quoted}\``);
}

const named: Readonly<Record<string, string>> = { boolean: 'true or false', object: 'an object', array: 'a list' };
const typesOf = (part: Part): readonly string[] => [part['type'] ?? []].flat() as string[];
const wordsOf = (words: readonly string[]): string => words.map((word) => `\`${word}\``).join(' ');

function typeOf(part: Part): string {
  const words = part['enum'] as readonly string[] | undefined;
  return words === undefined ? typesOf(part).join(' or ') : wordsOf(words);
}
