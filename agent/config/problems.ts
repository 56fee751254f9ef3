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

/** Ends a check; what was found until then is told. */
export class TooManyProblems extends Error {}

type Severity = Problem['severity'];

/** A file that problems are found in. */
interface Looked {
  readonly source: Source;
  /** Places of values that were told about when the text was read. */
  readonly faulty: ReadonlySet<string>;
  /** The worst that a problem in it is. */
  readonly worst: Severity;
  readonly order: number;
}

/** Collects problems of a configuration and of the files that belong to it; knows where a node stands and whose it is. */
export class Problems {
  readonly #main: Looked;
  readonly #others = new Map<Node, Looked>();
  readonly #found: { readonly order: number; readonly problem: Problem }[] = [];
  readonly #told = new Set<string>();
  readonly #counts = { error: 0, warning: 0 };
  #files = 0;

  constructor(source: Source) {
    this.#main = this.#look(source, 'error');
  }

  get hasErrors(): boolean {
    return this.#counts.error > 0;
  }

  /** Another file. `worst`: how bad its problems can be for the whole. */
  add(source: Source, worst: Severity): void {
    const looked = this.#look(source, worst);
    if (source.root !== undefined) this.#others.set(source.root, looked);
  }

  /** All, in file order; those of other files come after, in the order of `add`. */
  list(): Problem[] {
    const listed = this.#found
      .toSorted(
        ({ order, problem: a }, { order: other, problem: b }) =>
          order - other || a.line - b.line || a.column - b.column,
      )
      .map(({ problem }) => problem);
    const last = listed.at(-1);
    if (this.#counts.error < mostTold || last === undefined) return listed;
    return [
      ...listed,
      { ...last, severity: 'error', path: '', device: null, message: 'the check ends here; mend these first' },
    ];
  }

  /** A problem of the file as a whole. */
  atStart(message: string): void {
    this.#add(this.#main, 'error', { line: 1, column: 1 }, '', null, message);
  }

  /** A value: `message` begins with its name, see `nameOf`. */
  atValue(severity: Severity, node: Node, message: string, device?: string): void {
    this.#endIfFull();
    this.#at(severity, node, holderPath(pathOf(node)), message, device);
  }

  /** A whole object, shown at its brace. */
  atObject(severity: Severity, node: Node, message: string, device?: string): void {
    this.#endIfFull();
    this.#at(severity, node, pathOf(node), message, device);
  }

  /** A key: unknown, doubled, or not for this version. */
  atKey(severity: Severity, keyNode: Node, message: string, device?: string): void {
    this.#endIfFull();
    this.#at(severity, keyNode, pathOf(keyNode).slice(0, -1), message, device);
  }

  /** `sluice.json:12:5`, to name a second place. */
  place(node: Node): string {
    const { source } = this.#fileOf(node);
    const { line, column } = source.places.at(node.offset);
    return `${source.file}:${line}:${column}`;
  }

  #look(source: Source, worst: Severity): Looked {
    const faulty = new Set(source.told.map(({ line, column }) => `${line}:${column}`));
    const looked = { source, faulty, worst, order: this.#files++ };
    for (const { at, message } of source.faults) this.#add(looked, 'error', at, '', null, message);
    return looked;
  }

  #fileOf(node: Node): Looked {
    let top = node;
    while (top.parent !== undefined) top = top.parent;
    return this.#others.get(top) ?? this.#main;
  }

  /** Only mistakes end a check: a site of many points may have a warning for each. */
  #endIfFull(): void {
    if (this.#counts.error >= mostTold) throw new TooManyProblems();
  }

  #at(severity: Severity, node: Node, path: Path, message: string, device?: string): void {
    const file = this.#fileOf(node);
    const place = file.source.places.at(node.offset);
    if (file.faulty.has(`${place.line}:${place.column}`)) return;
    const owner = file === this.#main ? ownerOf(file.source.root, path) : ownerInProfile(file.source.root, path);
    const said = owner.point === null ? message : `point ${quoted(owner.point)}: ${message}`;
    this.#add(file, severity, place, pathText(path), device ?? owner.device, said);
  }

  /** A problem of a profile that many devices use is told once, for the first of them. */
  #add(
    { source: { file }, worst, order }: Looked,
    severity: Severity,
    { line, column }: { line: number; column: number },
    path: string,
    device: string | null,
    message: string,
  ): void {
    const key = `${order} ${line}:${column} ${message}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    const problem: Problem = {
      severity: worst === 'warning' ? worst : severity,
      file,
      line,
      column,
      path,
      device,
      message,
    };
    this.#counts[problem.severity]++;
    this.#found.push({ order, problem });
  }
}

interface Owner {
  readonly device: string | null;
  readonly point: string | null;
}

function ownerOf(root: Node | undefined, path: Path): Owner {
  const [section, owner, ...within] = path;
  const list = owner === undefined ? undefined : child(root, String(section));
  if (list === undefined || owner === undefined) return { device: null, point: null };
  const owning = typeof owner === 'number' ? items(list)[owner] : child(list, owner);
  return { device: section === 'devices' ? textAt(owning, 'id') : null, point: ownerInProfile(owning, within).point };
}

/** A file of its own is one profile. */
function ownerInProfile(root: Node | undefined, [points, point]: Path): Owner {
  const list = points === 'points' ? child(root, points) : undefined;
  const node = list !== undefined && typeof point === 'number' ? items(list)[point] : undefined;
  return { device: null, point: textAt(node, 'name') };
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
