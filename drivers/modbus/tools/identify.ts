import type { Line } from './line.ts';
import {
  objectIdentity,
  objectPage,
  shownText,
  sunSpecBases,
  sunSpecIdentity,
  sunSpecMarker,
  sunSpecRegisters,
} from './identity.ts';
import type { Identity } from './identity.ts';

/** What a device told of itself. */
export interface Told {
  readonly identity: Identity | null;
  /** Its answer to function code 17, where it is a text. */
  readonly serverId: string | null;
  /** Where its SunSpec marker stands. */
  readonly sunSpec: number | null;
}

/** More pages than this are none. */
const mostPages = 5;

/** Asks a device that answers at all who it is: function codes 43/14 and 17, and the SunSpec marker. */
export async function identify(line: Line, unitId: number, timeoutMs: number): Promise<Told> {
  const objects = await readObjects(line, unitId, timeoutMs);
  const server = await line.request({ unitId, identify: 'server', from: 0 }, timeoutMs);
  const marked = await readSunSpec(line, unitId, timeoutMs);
  return {
    identity: marked.identity ?? objectIdentity(objects),
    serverId: server.kind === 'data' ? shownText(server.data) : null,
    sunSpec: marked.sunSpec,
  };
}

async function readObjects(line: Line, unitId: number, timeoutMs: number): Promise<ReadonlyMap<number, string>> {
  const all = new Map<number, string>();
  let from: number | null = 0;
  for (let pages = 0; from !== null && pages < mostPages; pages++) {
    const outcome = await line.request({ unitId, identify: 'device', from }, timeoutMs);
    if (outcome.kind !== 'data') break;
    const { objects, next } = objectPage(outcome.data);
    for (const [id, text] of objects) all.set(id, text);
    from = next !== null && next > from ? next : null;
  }
  return all;
}

async function readSunSpec(
  line: Line,
  unitId: number,
  timeoutMs: number,
): Promise<{ sunSpec: number | null; identity: Identity | null }> {
  for (const address of sunSpecBases) {
    const marker = await line.request({ unitId, table: 'holding', address, count: 2 }, timeoutMs);
    if (marker.kind !== 'data' || marker.data.toString('latin1') !== sunSpecMarker) continue;
    const common = await line.request({ unitId, table: 'holding', address, count: sunSpecRegisters }, timeoutMs);
    return { sunSpec: address, identity: common.kind === 'data' ? sunSpecIdentity(common.data) : null };
  }
  return { sunSpec: null, identity: null };
}
