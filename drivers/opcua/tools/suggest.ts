/** A variable that may become a point. */
export interface Candidate {
  /** `nsu=urn:site:plc;s=Tank.Level`. */
  readonly text: string;
  /** Names from where the walk began, the variable's own last. */
  readonly names: readonly string[];
  readonly type: string;
  readonly isArray: boolean;
  readonly unit: string | null;
  readonly isNamed: boolean;
}

const integers = /^U?Int(?:16|32|64)$|^S?Byte$/;
const numbers = /^(?:Float|Double|Number|Integer|UInteger)$/;
const totals = /total|counter|energy|(?:^|[^a-z])(?:sum|kwh)(?:[^a-z]|$)/i;
const energies = /W\.h$|^(?:k|M)?var\.h$|^V\.A\.h$/;

/** Points ready to paste: what the agent would take for granted is not stated. */
export function suggest(candidates: readonly Candidate[]): readonly Readonly<Record<string, unknown>>[] {
  const names = uniqueNames(candidates.map((candidate) => candidate.names));
  return candidates.map(({ text, type, isArray, unit, isNamed, names: way }, at) => {
    const kind = kindOf(type, isNamed, unit, way.at(-1) ?? '');
    return {
      name: names[at],
      ...(kind === 'gauge' ? {} : { kind }),
      ...(unit === null || kind === 'text' || kind === 'state' ? {} : { unit }),
      nodeId: text,
      ...(isArray ? { index: 0 } : {}),
    };
  });
}

function kindOf(
  type: string,
  isNamed: boolean,
  unit: string | null,
  name: string,
): 'counter' | 'gauge' | 'state' | 'text' {
  if (type === 'Boolean' || isNamed) return 'state';
  const isNumber = integers.test(type) || numbers.test(type);
  if (isNumber && (energies.test(unit ?? '') || totals.test(name))) return 'counter';
  return isNumber ||
    !/^(?:String|LocalizedText|DateTime|UtcTime|Guid|ByteString|QualifiedName|NodeId|StatusCode|XmlElement)$/.test(type)
    ? 'gauge'
    : 'text';
}

/** As short as they can be told apart: the own name, with those above it in front where another variable has it too. */
function uniqueNames(ways: readonly (readonly string[])[]): readonly string[] {
  const taken = new Set<string>();
  const count = Map.groupBy(ways, (way) => idOf(way.slice(-1)));
  return ways.map((way) => {
    const isShared = (count.get(idOf(way.slice(-1)))?.length ?? 0) > 1;
    let name = idOf(way.slice(-1));
    for (let from = 2; from <= (isShared ? way.length : 0); from++) {
      name = idOf(way.slice(-from));
      const same = ways.filter((other) => idOf(other.slice(-from)) === name);
      if (same.length === 1) break;
    }
    let free = name;
    for (let number = 2; taken.has(free.toLowerCase()); number++) free = `${name.slice(0, 60)}_${number}`;
    taken.add(free.toLowerCase());
    return free;
  });
}

function idOf(names: readonly string[]): string {
  const id = names
    .map((name) =>
      name
        .normalize('NFKD')
        .replaceAll(/[^A-Za-z0-9_-]+/g, '_')
        .replaceAll(/^_+|_+$/g, ''),
    )
    .filter((name) => name !== '')
    .join('.');
  return id === '' ? 'point' : id.slice(-64).replace(/^[._-]+/, '');
}
