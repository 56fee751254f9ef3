/** What is to be said on `asset-metadata` so that it tells the configuration again. Pure. */
import { createHash } from 'node:crypto';
import type { Announced } from '../state.ts';

/** What a device or a register map is now: the body of its record (reading.ts, Note). */
export interface Description {
  readonly device: string;
  /** null: the current state of the device. */
  readonly map: string | null;
  readonly body: string;
}

export interface Wanted {
  readonly gateway: string;
  /** Names the topic and who keeps it: a topic of another name or elsewhere has heard nothing yet. */
  readonly destination: string;
  readonly descriptions: readonly Description[];
  /** Devices that the file names and switches off: they stay assets. */
  readonly switchedOff: readonly string[];
}

/** Entries that belong into one commit, and what holds once they are accepted. */
export interface Change {
  readonly device: string;
  readonly entries: readonly { readonly key: string; readonly json: string | null }[];
  readonly rows: readonly Announced[];
  readonly gone: readonly Announced[];
  readonly bytes: number;
}

/** `known`: what was announced, of this gateway. One change per record or removed device, in the order of the file, removals first. */
export function changesOf(wanted: Wanted, known: readonly Announced[]): Change[] {
  const rows = new Map(known.map((row) => [nameOf(row), row]));
  const named = new Set([...wanted.descriptions.map(({ device }) => device), ...wanted.switchedOff]);
  const removed = known.filter(({ device, map }) => map === null && !named.has(device));
  const dormant = wanted.switchedOff.flatMap((device) => {
    const last = rows.get(nameOf({ device, map: null }))?.json ?? null;
    return last === null ? [] : [{ device, map: null, body: altered(last, { enabled: false }) }];
  });
  return [
    ...removed.map((row) => removal(wanted.gateway, row)),
    ...[...wanted.descriptions, ...dormant].flatMap((description) => {
      const hash = hashOf(wanted.destination, description.body);
      return rows.get(nameOf(description))?.hash === hash ? [] : [announcement(wanted.gateway, description, hash)];
    }),
  ];
}

/** Joins changes into commits of about `mostBytes`: one after the other, each known to be accepted before the next. */
export function batchesOf(changes: readonly Change[], mostBytes: number): Change[][] {
  const batches: Change[][] = [];
  let bytes = Infinity;
  for (const change of changes) {
    if (bytes + change.bytes > mostBytes) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(change);
    bytes += change.bytes;
  }
  return batches;
}

/** The units of points that were announced last. */
export function unitsIn(known: readonly Announced[]): (device: string, point: string) => string | null | undefined {
  const bodies = new Map(
    known.flatMap(({ device, map, json }) => (map === null && json !== null ? [[device, json]] : [])),
  );
  const parsed = new Map<string, Map<string, string | null>>();
  return (device, point) => {
    let units = parsed.get(device);
    if (units === undefined) {
      const { points = [] } = JSON.parse(bodies.get(device) ?? '{}') as {
        points?: readonly { point: string; unit: string | null }[];
      };
      units = new Map(points.map(({ point: name, unit }) => [name, unit]));
      parsed.set(device, units);
    }
    return units.get(point);
  };
}

/** Names a row among those of one gateway. */
export function nameOf({ device, map }: Pick<Announced, 'device' | 'map'>): string {
  return map === null ? device : `${device}@${map}`;
}

function announcement(gateway: string, description: Description, hash: string): Change {
  const { device, map, body } = description;
  const key = `${gateway}/${nameOf(description)}`;
  const row = { gateway, device, map, hash, json: map === null ? body : null };
  return { device, entries: [{ key, json: body }], rows: [row], gone: [], bytes: body.length };
}

/** What it was, with the time of its removal, and right behind it the tombstone. Its register maps stay. */
function removal(gateway: string, row: Announced): Change {
  const key = `${gateway}/${row.device}`;
  const last = row.json === null ? [] : [{ key, json: altered(row.json, { removedAt: true }) }];
  const entries = [...last, { key, json: null }];
  return { device: row.device, entries, rows: [], gone: [row], bytes: row.json?.length ?? 0 };
}

function altered(json: string, change: Readonly<Record<string, boolean>>): string {
  return JSON.stringify({ ...(JSON.parse(json) as Record<string, unknown>), ...change });
}

function hashOf(destination: string, body: string): string {
  return createHash('sha256').update(`${destination}\n${body}`).digest('hex').slice(0, 32);
}
