import { builtAtMs } from '../build-time.ts';
import { nearest } from '../config/nearest.ts';
import { homeOf } from '../config/site-config.ts';
import type { SiteConfig } from '../config/site-config.ts';
import { daemonAt, socketIn } from '../control/client.ts';
import { UsageError } from '../errors.ts';
import { systemClock } from '../time/system-clock.ts';
import { timeSource } from '../time/time-sources.ts';
import { jsonPreview } from '../uplink/encodings.ts';
import { fileArgument } from './command.ts';
import type { Command, Output } from './command.ts';
import { configured } from './configured.ts';
import { counted } from './printing.ts';
import { placesOf, readConnection } from './read-site.ts';
import type { SeenDevice } from './read-site.ts';
import { tablePrinter } from './read-table.ts';

export const read: Command = {
  name: 'read',
  about: "Reads every point once and prints it: compare it with the meter's display. Sends nothing, keeps nothing.",
  arguments: [fileArgument],
  options: {
    device: { value: 'DEVICE', multiple: true, about: 'only this device' },
    json: {
      about:
        'one line per reading: {"topic","key","value","raw","linkDown"}; "value" is the record that `run` would send, "linkDown" why nobody could be asked, or null',
    },
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
    const owner = daemonAt(socketIn(config.stateDir));
    const asked = config.connections.map((connection) => ({
      connection,
      devices: connection.devices.filter(({ id }) => wanted.has(id)),
    }));
    const places = asked.flatMap(({ connection, devices }) =>
      devices.flatMap((device) => placesOf(connection, device)),
    );
    const print = json ? jsonPrinter(config, io.stdout) : tablePrinter(io, places);
    let bad = 0;
    try {
      const told = asked.map(async ({ connection, devices }) => {
        for await (const seen of readConnection(connection, devices, clock, io.signal, owner, homeOf(config))) {
          bad += seen.points.filter(({ observation }) => observation.quality === 'bad').length;
          print(seen);
        }
      });
      await Promise.all(told);
    } finally {
      clock.close();
    }
    if (!json) io.stdout.write(`${counted(places.length, 'point')}, ${bad === 0 ? 'none' : bad} bad\n`);
    return bad === 0 ? 0 : 1;
  },
};

function wantedDevices(config: SiteConfig, named: unknown): ReadonlySet<string> {
  const known = config.connections.flatMap((connection) => connection.devices.map((device) => device.id));
  const wanted = Array.isArray(named) ? named.map(String) : known;
  for (const id of wanted) {
    if (known.includes(id)) continue;
    const meant = nearest(id, known);
    const hint = meant === undefined ? `the file has ${known.join(', ')}` : `did you mean \`${meant}\`?`;
    throw new UsageError(`there is no device ${JSON.stringify(id)}; ${hint}`);
  }
  return new Set(wanted);
}

function jsonPrinter(config: SiteConfig, out: Output): (seen: SeenDevice) => void {
  const topics: Readonly<Record<string, string>> = 'kafka' in config.uplink ? config.uplink.kafka.topics : {};
  return ({ points, linkDown }) => {
    for (const { observation, keepsRaw } of points) {
      const raw = keepsRaw ? observation.raw : null;
      const { key, value } = jsonPreview({ ...observation, raw, slotMs: null });
      const topic = topics[observation.point.stream] ?? observation.point.stream;
      out.write(
        `{"topic":${JSON.stringify(topic)},"key":${JSON.stringify(key)},"value":${value},"raw":${JSON.stringify(observation.raw)},"linkDown":${JSON.stringify(linkDown)}}\n`,
      );
    }
  };
}
