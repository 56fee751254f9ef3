import { pathOf, pathText, valueOf, child, items, type Node, type Path, type Source } from './source.ts';

export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in characters. */
  readonly column: number;
  /** The object that holds the problem: `devices[0]`, `uplink.kafka`; '' for the file itself. */
  readonly path: string;
  readonly device: string | null;
  readonly message: string;
}

/** `sluice.json:16:56 devices[0] "EM-104": unitId is 300; allowed: 1…247` */
export function problemText(problem: Problem): string {
  const { severity, file, line, column, path, device, message } = problem;
  const place = `${file}:${line}:${column}${path === '' ? '' : ` ${path}`}${device === null ? '' : ` ${quoted(device)}`}`;
  return `${place}: ${severity === 'warning' ? 'warning: ' : ''}${message}`;
}

/** More than these help nobody; what a broken file of megabytes makes of itself must end. */
const mostTold = 1000;

/** Collects problems of one file; knows where a node stands and whose it is. */
export class Problems {
  readonly #source: Source;
  readonly #found: Problem[] = [];
  readonly #told = new Set<string>();
  /** Places of values that were told about when the text was read. */
  readonly #faulty = new Set<string>();
  #left = 0;

  constructor(source: Source) {
    this.#source = source;
    for (const { line, column } of source.told) this.#faulty.add(`${line}:${column}`);
    for (const { at, message } of source.faults) this.#add('error', at, '', null, message);
  }

  get hasErrors(): boolean {
    return this.#found.some(({ severity }) => severity === 'error');
  }

  /** All, in file order. */
  list(): Problem[] {
    const listed = this.#found.toSorted((a, b) => a.line - b.line || a.column - b.column);
    const last = listed.at(-1);
    if (this.#left === 0 || last === undefined) return listed;
    return [...listed, { ...last, path: '', device: null, message: `${this.#left} more problems are not listed` }];
  }

  /** A problem of the file as a whole. */
  atStart(message: string): void {
    this.#add('error', { line: 1, column: 1 }, '', null, message);
  }

  /** A value: `message` begins with its name, see `nameOf`. */
  atValue(severity: Problem['severity'], node: Node, message: string, device?: string): void {
    this.#at(severity, node.offset, holderPath(pathOf(node)), message, device);
  }

  /** A whole object, shown at its brace. */
  atObject(severity: Problem['severity'], node: Node, message: string, device?: string): void {
    this.#at(severity, node.offset, pathOf(node), message, device);
  }

  /** A key: unknown, doubled, or not for this version. */
  atKey(severity: Problem['severity'], keyNode: Node, message: string, device?: string): void {
    this.#at(severity, keyNode.offset, pathOf(keyNode).slice(0, -1), message, device);
  }

  /** `sluice.json:12:5`, to name a second place. */
  place(node: Node): string {
    const { line, column } = this.#source.places.at(node.offset);
    return `${this.#source.file}:${line}:${column}`;
  }

  #at(severity: Problem['severity'], offset: number, path: Path, message: string, device?: string): void {
    const place = this.#source.places.at(offset);
    if (this.#faulty.has(`${place.line}:${place.column}`)) return;
    const owner = this.#ownerOf(path);
    const said = owner.point === null ? message : `point ${quoted(owner.point)}: ${message}`;
    this.#add(severity, place, pathText(path), device ?? owner.device, said);
  }

  /** A problem of a profile that many devices use is told once, for the first of them. */
  #add(
    severity: Problem['severity'],
    { line, column }: { line: number; column: number },
    path: string,
    device: string | null,
    message: string,
  ): void {
    const key = `${line}:${column} ${message}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    if (this.#found.length < mostTold)
      this.#found.push({ severity, file: this.#source.file, line, column, path, device, message });
    else this.#left++;
  }

  #ownerOf(path: Path): { device: string | null; point: string | null } {
    const [section, owner, points, point] = path;
    const list = child(this.#source.root, String(section));
    if (list === undefined || owner === undefined) return { device: null, point: null };
    const owning = typeof owner === 'number' ? items(list)[owner] : child(list, owner);
    const pointList = points === 'points' ? child(owning, points) : undefined;
    const pointNode = pointList !== undefined && typeof point === 'number' ? items(pointList)[point] : undefined;
    return { device: section === 'devices' ? textAt(owning, 'id') : null, point: textAt(pointNode, 'name') };
  }
}

/** How a value is called in a message: its key, with indexes for the items of a list (`brokers[0]`). */
export function nameOf(node: Node): string {
  const path = pathOf(node);
  return pathText(path.slice(holderPath(path).length));
}

function holderPath(path: Path): Path {
  return path.slice(
    0,
    Math.max(
      0,
      path.findLastIndex((step) => typeof step === 'string'),
    ),
  );
}

function textAt(node: Node | undefined, key: string): string | null {
  const found = child(node, key);
  const value = found === undefined ? undefined : valueOf(found);
  return typeof value === 'string' ? value : null;
}

/** As JSON, cut when long: a broken id must not break the line or the terminal. What no editor shows is written as an escape; a password in a URL is not shown. */
export function quoted(value: unknown): string {
  const json = JSON.stringify(typeof value === 'string' ? value.replace(/:[^:@/]*@/g, ':…@') : value).replace(
    /[^\P{C}\u{e000}-\u{f8ff}]|(?! )\p{Z}/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
  return json.length > 80 ? `${json.slice(0, 78)}…"` : json;
}
