import { lineAndColumn, pathOf, pathText, valueOf, child, items, type Node, type Path, type Source } from './source.ts';

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

/** Collects problems of one file; knows where a node stands and whose it is. */
export class Problems {
  readonly #source: Source;
  readonly #found: { offset: number; problem: Omit<Problem, 'line' | 'column'> }[] = [];
  readonly #told = new Set<string>();

  constructor(source: Source) {
    this.#source = source;
  }

  get hasErrors(): boolean {
    return this.#found.some(({ problem }) => problem.severity === 'error');
  }

  /** All, in file order. */
  list(): Problem[] {
    const { text } = this.#source;
    const place = { offset: 0, line: 1, column: 1 };
    return this.#found
      .toSorted((a, b) => a.offset - b.offset)
      .map(({ offset, problem: { severity, file, ...rest } }) => {
        const { line, column } = lineAndColumn(text, offset, place);
        Object.assign(place, { offset, line, column });
        return { severity, file, line, column, ...rest };
      });
  }

  /** A problem that no object of the file owns. */
  atOffset(offset: number, message: string): void {
    this.#add('error', offset, '', null, message);
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
    const { line, column } = lineAndColumn(this.#source.text, node.offset);
    return `${this.#source.file}:${line}:${column}`;
  }

  #at(severity: Problem['severity'], offset: number, path: Path, message: string, device?: string): void {
    const owner = this.#ownerOf(path);
    const said = owner.point === null ? message : `point ${quoted(owner.point)}: ${message}`;
    this.#add(severity, offset, pathText(path), device ?? owner.device, said);
  }

  /** A problem of a profile that many devices use is told once, for the first of them. */
  #add(severity: Problem['severity'], offset: number, path: string, device: string | null, message: string): void {
    const key = `${offset} ${message}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#found.push({ offset, problem: { severity, file: this.#source.file, path, device, message } });
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

/** As JSON, cut when long: a broken id must not break the line or the terminal. */
export function quoted(value: unknown): string {
  const json = JSON.stringify(value);
  return json.length > 80 ? `${json.slice(0, 78)}…"` : json;
}
