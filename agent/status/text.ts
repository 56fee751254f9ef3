import type { ConnectionLine, DeviceLine, LaneLine, StatusPage } from './page.ts';

export interface TextOptions {
  readonly colour: boolean;
  /** Every device, however many. */
  readonly all: boolean;
}

/** Devices that one screen holds beside the rest. */
const mostDevices = 20;
const red = '\u001B[31m';
const yellow = '\u001B[33m';
const plain = '\u001B[0m';

/** One page for a person: first what needs one, then what there is. */
export function statusText(page: StatusPage, { colour, all }: TextOptions): string {
  const paint = (tone: string, text: string): string => (colour ? `${tone}${text}${plain}` : text);
  const { health, connections, devices, lanes } = page;
  const nowMs = Date.parse(page.time);
  const sorted = devices.toSorted((a, b) => urgency(a) - urgency(b));
  const shown = all ? sorted : sorted.slice(0, mostDevices);
  const hidden = devices.length - shown.length;
  const blocks = [
    [headline(page)],
    section(
      'Needs somebody now',
      health.wrong.map((text) => paint(red, clean(text))),
    ),
    section(
      'To look at',
      health.remarks.map((text) => paint(yellow, clean(text))),
    ),
    section(
      'Connections',
      table(connections.map((one) => connectionCells(one, nowMs))).map((line, at) =>
        connections[at]?.state === 'open' ? line : paint(yellow, line),
      ),
    ),
    section(`Devices: ${tally(devices)}`, [
      ...table(shown.map((one) => deviceCells(one, nowMs))).map((line, at) => {
        const one = shown[at];
        return one?.presence === 'lost' ? paint(red, line) : one?.error ? paint(yellow, line) : line;
      }),
      ...(hidden > 0 ? [`and ${hidden} more: sluice status --all`] : []),
    ]),
    section(
      `Buffer: ${sizeText(page.buffer.bytes)} of ${sizeText(page.buffer.maxBytes)}, ${counted(page.buffer.waiting)} waiting${writtenText(page.buffer.writtenBytesPerDay)}`,
      table(lanes.map((one) => laneCells(one, nowMs))).map((line, at) =>
        lanes[at]?.error ? paint(yellow, line) : line,
      ),
    ),
  ];
  return `${blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n')}\n`;
}

function writtenText(bytesPerDay: number | null): string {
  return bytesPerDay === null ? '' : `, ${sizeText(bytesPerDay)} written a day`;
}

function headline({ gateway, site, version, state, uptimeSeconds, clock, epoch }: StatusPage): string {
  const where = site === null ? '' : ` at ${site}`;
  const clockText = { synced: 'clock synchronised', unknown: 'nobody to ask about the clock' }[clock];
  return clean(
    `${gateway}${where}: ${state} for ${ago(uptimeSeconds)}, ${clockText ?? `clock ${clock}`}, sluice ${version}, epoch ${epoch}`,
  );
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
}

function connectionCells({ connection, state, since, error, failedAttempts }: ConnectionLine, nowMs: number): string[] {
  const why = state === 'open' || error === null ? '' : `${error} (${failedAttempts} failed attempts)`;
  return [connection, state, `for ${sinceText(since, nowMs)}`, why];
}

function deviceCells(one: DeviceLine, nowMs: number): string[] {
  const { device, connection, presence, lostSince, lastGood, error } = one;
  const when =
    presence === 'lost'
      ? `for ${sinceText(lostSince, nowMs)}`
      : lastGood === null
        ? 'no value yet'
        : `value ${sinceText(lastGood, nowMs)} ago`;
  return [device, connection, presence === 'waiting' ? 'not asked yet' : presence, when, error ?? ''];
}

function laneCells(one: LaneLine, nowMs: number): string[] {
  const { lane, state, waiting, lagSeconds, lastDelivery, rejected, error } = one;
  const lag = waiting === 0 ? '' : lagSeconds === null ? 'age not known' : `${ago(lagSeconds)} behind`;
  const last = lastDelivery === null ? 'nothing delivered yet' : `delivered ${sinceText(lastDelivery, nowMs)} ago`;
  const dead = rejected === 0 ? '' : `${counted(rejected)} in the dead letters`;
  return [
    lane,
    state,
    `${counted(waiting)} waiting`,
    [lag, last, dead, error?.message ?? ''].filter(Boolean).join(', '),
  ];
}

function urgency({ presence, error }: DeviceLine): number {
  if (presence === 'lost') return 0;
  if (error !== null) return 1;
  return presence === 'waiting' ? 2 : 3;
}

function tally(devices: readonly DeviceLine[]): string {
  const of = (wanted: DeviceLine['presence']): number => devices.filter(({ presence }) => presence === wanted).length;
  const parts = [`${of('ok')} of ${devices.length} ok`];
  if (of('lost') > 0) parts.push(`${of('lost')} lost`);
  if (of('waiting') > 0) parts.push(`${of('waiting')} not asked yet`);
  return parts.join(', ');
}

/** Columns as wide as their widest cell; the last one ends where it ends. */
function table(rows: readonly (readonly string[])[]): string[] {
  const cells = rows.map((row) => row.map(clean));
  const widths = (cells[0] ?? []).map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  return cells.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function sinceText(time: string | null, nowMs: number): string {
  return time === null ? 'ever' : ago(Math.max(0, nowMs - Date.parse(time)) / 1000);
}

/** Two units at most: `3 d 4 h`, `12 min`, `8 s`. */
function ago(seconds: number): string {
  const whole = Math.round(seconds);
  const [days, hours, minutes] = [Math.floor(whole / 86_400), Math.floor(whole / 3_600), Math.floor(whole / 60)];
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min` : `${whole} s`;
}

function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1_000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1_000 ** power;
  return `${power > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

function counted(count: number): string {
  return count.toLocaleString('en-US');
}

/** A peer's words must not steer the terminal. */
function clean(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ');
}
