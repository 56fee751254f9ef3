import type { Booked, Latest, Register } from './ledgers.ts';
import type { Station } from './station.ts';

/** What the demo shows, as of one moment. Nothing in it comes from the gateway's own counters. */
export interface View {
  readonly station: Station;
  readonly timeMs: number;
  readonly elapsedSeconds: number;
  readonly seconds: number | null;
  readonly uplink: 'Kafka is up' | 'Kafka is STOPPED' | 'file';
  /** Ids of the devices that have answered lately. */
  readonly answering: ReadonlySet<string>;
  /** Readings and metadata on disk, by the tap. */
  readonly accepted: number;
  /** Of these, what the consumers have. */
  readonly arrived: number;
  readonly ledgerRows: number;
  readonly gaps: number;
  readonly booked: readonly Booked[];
  readonly seen: number;
  readonly latest: readonly Latest[];
  /** In the asset register. */
  readonly assets: number;
  readonly registers: readonly Register[];
  readonly news: readonly string[];
}

export interface Style {
  readonly columns: number;
  readonly rows: number;
  readonly color: boolean;
}

/** With an ANSI colour, or in the terminal's own. */
type Line = [text: string, color?: number | undefined];

/** HH:MM:SS in the time zone of this machine. */
export function clockTime(timeMs: number): string {
  const time = new Date(timeMs);
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}

export function count(number: number): string {
  return number.toLocaleString('en-US');
}

/** For logs and pipes: one line says it all. */
export function plainLine(view: View): string {
  const { station, answering, accepted, arrived, uplink } = view;
  const parts = [
    `meters ${answering.size}/${station.devices.length}`,
    `accepted ${count(accepted)}`,
    `arrived ${count(arrived)}`,
    `waiting ${count(Math.max(0, accepted - arrived))}`,
    ...(uplink === 'Kafka is STOPPED' ? ['Kafka is STOPPED'] : []),
    `finance: ${count(view.ledgerRows)} rows${usedText(mostTelling(view.booked))}`,
    `reporting: ${count(view.seen)} readings${valueText(telling(view.latest))}`,
    `assets: ${count(view.assets)} devices${registerText(view)}`,
  ];
  return `${clockTime(view.timeMs)} ${parts.join(', ')}`;
}

const newsShown = 6;

/** For a terminal: the whole picture, to be drawn over the last one. Where not all fits, devices are left out, and what happens is not. */
export function screen(view: View, { columns, rows, color }: Style): string[] {
  const paint = (code: number, text: string): string => (color ? `\u001B[${code}m${text}\u001B[0m` : text);
  const { station, accepted, arrived, uplink, answering } = view;
  const waiting = Math.max(0, accepted - arrived);
  const left = view.seconds === null ? 'Ctrl-C ends it' : `of ${view.seconds} s`;
  const bar = '▮'.repeat(Math.min(40, Math.ceil(waiting / 10)));
  const above: Line[] = [
    [
      `${station.site} (${station.gateway})   ${clockTime(view.timeMs)}   ${Math.floor(view.elapsedSeconds)} s ${left}`,
      1,
    ],
    [''],
    [`  meters     ${answering.size} of ${station.devices.length} answering`],
    [`  gateway    ${count(accepted)} records accepted, on disk`],
    [`  waiting    ${count(waiting)} ${bar}`, waiting > 200 ? 33 : undefined],
    [
      `  uplink     ${uplink === 'file' ? 'a file, as there is no Kafka here' : uplink}`,
      uplink === 'Kafka is STOPPED' ? 31 : 32,
    ],
    [`  finance    ${count(view.ledgerRows)} rows in its ledger, ${count(view.gaps)} gaps`],
    [`  reporting  ${count(view.seen)} readings, ${view.latest.length} points`],
    [`  assets     ${count(view.assets)} devices${registerText(view)}`],
    [''],
    [`  ${'device'.padEnd(8)}${'what'.padEnd(26)}${'now'.padStart(18)}   used in the last slot`, 2],
  ];
  const below: Line[] = [[''], ...view.news.slice(-newsShown).map((text): Line => [`  ${text}`])];
  // The cursor stands in the last row.
  const room = rows - 1 - above.length - below.length;
  const lines = [...above, ...deviceLines(view, Math.max(1, room)), ...below];
  return lines.slice(0, rows - 1).map(([text, code]) => {
    const cut = text.slice(0, Math.max(20, columns - 1));
    return code === undefined ? cut : paint(code, cut);
  });
}

/** At most `room` lines. */
function deviceLines({ station, latest, booked }: View, room: number): Line[] {
  const all = station.devices.map(({ id, name }): Line => {
    const now = telling(latest.filter(({ device }) => device === id));
    const last = booked.find(({ device }) => device === id);
    const used = last?.used === null || last === undefined ? '' : `+${last.used} ${last.unit ?? ''}`;
    return [
      `  ${id.padEnd(8)}${name.padEnd(26)}${shown(now).padStart(18)}   ${used}`,
      now?.value === null ? 31 : undefined,
    ];
  });
  return all.length <= room ? all : [...all.slice(0, room - 1), [`  … and ${all.length - room + 1} more`]];
}

/** What tells most of a device: its power, flow or level rather than its frequency. */
function telling(points: readonly Latest[]): Latest | undefined {
  const order = ['flow', 'power', 'level', 'pressure'];
  return order.flatMap((name) => points.find(({ point }) => point === name) ?? [])[0] ?? points[0];
}

/** The newest slot that something was used in. */
function mostTelling(all: readonly Booked[]): Booked | undefined {
  return all.filter(({ used }) => used !== null && used > 0).toSorted((a, b) => b.slot.localeCompare(a.slot))[0];
}

function usedText(last: Booked | undefined): string {
  return last === undefined ? '' : ` (${last.device} ${last.point} +${last.used} ${last.unit ?? ''})`;
}

/** Where the last total came from: the map in finance's reading, looked up in the asset register. */
function registerText({ booked, registers }: View): string {
  const last = mostTelling(booked);
  const found = registers.find(
    ({ device, point, map }) => device === last?.device && point === last.point && map === last.map,
  );
  if (found === undefined) return '';
  const { device, point, table, address, type, byteOrder, scale, nodeId } = found;
  const where = nodeId ?? `${table} ${address}, ${type} ${byteOrder}`;
  return ` (${device} ${point} is ${where} x ${scale})`;
}

function valueText(point: Latest | undefined): string {
  return point === undefined ? '' : ` (${point.device} ${point.point} ${shown(point)})`;
}

function shown(point: Latest | undefined): string {
  if (point === undefined) return '-';
  return point.value === null ? point.status : `${Number(point.value.toPrecision(5))} ${point.unit ?? ''}`;
}
