import { driverFor } from '../../drivers/registry.ts';
import { builtAtMs } from '../build-time.ts';
import type { ConnectionConfig, SiteConfig } from '../config/site-config.ts';
import { messageOf, UsageError } from '../errors.ts';
import { unanswered } from '../reading.ts';
import type { Observation } from '../reading.ts';
import { systemClock } from '../system-clock.ts';
import type { SystemClock } from '../system-clock.ts';
import { timeSource } from '../time-sources.ts';
import { jsonPreview } from '../uplink/encodings.ts';
import { fileArgument } from './command.ts';
import type { Command, Output } from './command.ts';
import { configured } from './configured.ts';

/** One device may take its timeouts and retries; none may hold up a person for longer. */
const deviceDeadlineMs = 30_000;
const openDeadlineMs = 10_000;

interface Seen {
  readonly observation: Observation;
  readonly where: string;
  readonly keepsRaw: boolean;
  readonly tookMs: number;
}

export const read: Command = {
  name: 'read',
  about: "Reads every point once and prints it: compare it with the meter's display. Sends nothing, keeps nothing.",
  arguments: [fileArgument],
  options: {
    device: { value: 'DEVICE', multiple: true, about: 'only this device' },
    json: { about: 'one line per reading: {"topic","key","value","raw"}; "value" is the record that `run` would send' },
  },
  examples: [
    { line: 'sluice read', about: 'everything' },
    { line: 'sluice read site.json --device EM-104', about: 'the meter in front of you' },
    { line: 'sluice read --json --device EM-104', about: 'as the records that would be sent' },
  ],
  exits: { 0: 'all points read', 1: 'any of them is bad', 78: 'the configuration is wrong' },

  async run(args, io) {
    const config = configured(args, io, { noSecrets: true });
    const wanted = wantedDevices(config, args.values['device']);
    const clock = systemClock({ source: timeSource(config.clock.source), builtAtMs });
    await clock.ready;
    const json = args.values['json'] === true;
    let bad = 0;
    let all = 0;
    const print = json ? jsonPrinter(config, io.stdout) : tablePrinter(io.stdout);
    try {
      const told = config.connections.map(async (connection) => {
        for await (const seen of readConnection(connection, wanted, clock, io.signal)) {
          all += 1;
          if (seen.observation.quality === 'bad') bad += 1;
          print(seen);
        }
      });
      await Promise.all(told);
    } finally {
      clock.close();
    }
    if (!json) io.stdout.write(`${all} points, ${bad === 0 ? 'none' : bad} bad\n`);
    return bad === 0 ? 0 : 1;
  },
};

function wantedDevices(config: SiteConfig, named: unknown): ReadonlySet<string> {
  const known = config.connections.flatMap((connection) => connection.devices.map((device) => device.id));
  const wanted = Array.isArray(named) ? named.map(String) : known;
  for (const id of wanted)
    if (!known.includes(id))
      throw new UsageError(`there is no device ${JSON.stringify(id)}; the file has ${known.join(', ')}`);
  return new Set(wanted);
}

async function* readConnection(
  connection: ConnectionConfig,
  wanted: ReadonlySet<string>,
  clock: SystemClock,
  signal: AbortSignal,
): AsyncGenerator<Seen> {
  const devices = connection.devices.filter((device) => wanted.has(device.id));
  const entry = driverFor(connection.driver);
  if (devices.length === 0 || !entry) return;
  const driver = await entry.load();
  const host = { clock, everyRaw: true, push: () => Promise.resolve(), event: () => undefined };
  const opening = AbortSignal.any([signal, AbortSignal.timeout(openDeadlineMs)]);
  const session = await driver.open(connection.plan, host, opening).catch((error: unknown) => messageOf(error));
  for (const device of devices) {
    const points = device.points.map((point) => point.info);
    const began = clock.now().bootMs;
    const seen =
      typeof session === 'string'
        ? null
        : await session
            .poll(
              { device: device.id, points, dueMs: began },
              AbortSignal.any([signal, AbortSignal.timeout(deviceDeadlineMs)]),
            )
            .catch(() => null);
    const tookMs = clock.now().bootMs - began;
    for (const [at, point] of points.entries()) {
      const observation = seen?.[at] ?? unanswered(point, 'BadNotConnected', clock.now());
      const { where, keepsRaw } = entry.schema.describe?.(connection.plan, point) ?? { where: '', keepsRaw: true };
      yield {
        observation,
        where: seen ? where : `${where} ${typeof session === 'string' ? session : 'link lost'}`,
        keepsRaw,
        tookMs,
      };
    }
  }
  if (typeof session !== 'string') await session.close();
}

function jsonPrinter(config: SiteConfig, out: Output): (seen: Seen) => void {
  const topics: Readonly<Record<string, string>> = 'kafka' in config.uplink ? config.uplink.kafka.topics : {};
  return ({ observation, keepsRaw }) => {
    const raw = keepsRaw ? observation.raw : null;
    const { key, value } = jsonPreview({ ...observation, raw, slotMs: null });
    const topic = topics[observation.point.stream] ?? observation.point.stream;
    out.write(
      `{"topic":${JSON.stringify(topic)},"key":${JSON.stringify(key)},"value":${value},"raw":${JSON.stringify(observation.raw)}}\n`,
    );
  };
}

/** A line as soon as a device has answered: on site, nobody waits for the dead one to see the living. */
function tablePrinter(out: Output): (seen: Seen) => void {
  const bad = out.isTTY === true && process.env['NO_COLOR'] === undefined ? ['\u001B[31m', '\u001B[0m'] : ['', ''];
  let device: string | null = null;
  return ({ observation: { point, value, text, quality, status, exceptionCode, raw }, where, tookMs }) => {
    if (point.device !== device) out.write(`${point.device} (${tookMs} ms)\n`);
    device = point.device;
    const shown = quality === 'bad' ? '-' : (text ?? String(value));
    const why =
      status === 'Good'
        ? 'good'
        : `${quality} ${status}${exceptionCode === null ? '' : ` (exception ${exceptionCode})`}`;
    const [on, off] = quality === 'bad' ? bad : ['', ''];
    out.write(
      `  ${on}${point.point.padEnd(24)} ${shown.padStart(16)} ${(point.unit ?? '').padEnd(8)} ${why.padEnd(10)} ${(raw ?? '').padEnd(19)} ${where}${off}\n`,
    );
  };
}
