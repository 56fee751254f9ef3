import { join } from 'node:path';
import { streams } from '../reading.ts';
import type { CheckedFile } from './check-file.ts';
import { planConnections, switchedOffIn } from './plan-connections.ts';
import { nameOf, quoted, type Problems } from './problems.ts';
import type { FileSettings } from './schema.ts';
import type { KafkaConfig, SiteConfig } from './site-config.ts';
import { child, valueOf, type Node } from './source.ts';
import { tellSurroundings } from './surroundings.ts';

/** Puts the parts together: what they say to each other is checked here. null when the file has errors. */
export function assemble(
  checked: CheckedFile,
  options: { file: string; problems: Problems; noSecrets: boolean },
): SiteConfig | null {
  const { file, problems, noSecrets } = options;
  const top = checked.top.settings as Partial<FileSettings>;
  const { gateway = '', site, stateDir = '/var/lib/sluice', clock, buffer, uplink, status } = top;
  const root = checked.top.node;
  const bufferPath = buffer?.path ?? join(stateDir, 'buffer');
  const kafka = child(child(root, 'uplink'), 'kafka');
  if (kafka !== undefined) tellKafka(kafka, problems);
  if (['buffer', 'stateDir'].every((key) => !checked.top.faulty.has(key))) {
    const severity = noSecrets ? 'warning' : 'error';
    tellSurroundings({ root, bufferPath, maxBytes: buffer?.maxSize ?? null, severity, problems });
  }
  const owner = site === undefined ? null : { id: site.id, labels: site.labels ?? {} };
  // What is wrong with the site is told there; whether it states a time zone is not known then.
  const timezone = checked.top.faulty.has('site') ? 'UTC' : (site?.timezone ?? null);
  const connections = planConnections(checked, { gateway, site: owner, timezone, problems });
  if (problems.hasErrors || uplink === undefined) return null;
  return {
    file,
    gateway,
    site:
      site === undefined
        ? null
        : { id: site.id, name: site.name ?? null, timezone: site.timezone ?? null, labels: site.labels ?? {} },
    stateDir,
    clock: { source: clock?.source ?? 'auto' },
    buffer: {
      path: bufferPath,
      commitEveryMs: buffer?.commitEvery ?? 0,
      maxBytes: buffer?.maxSize ?? null,
      whenFull: 'stop',
    },
    uplink:
      uplink.kafka === undefined
        ? { file: { path: uplink.file?.path ?? '' } }
        : { kafka: kafkaConfig(uplink.kafka, gateway) },
    status: status?.listen ?? null,
    connections,
    switchedOff: switchedOffIn(checked),
  };
}

type KafkaSettings = NonNullable<FileSettings['uplink']['kafka']>;

function kafkaConfig(settings: KafkaSettings, gateway: string): KafkaConfig {
  const { brokers, clientId, tls, sasl, topics, compression } = settings;
  const files = typeof tls === 'object' ? tls : {};
  return {
    brokers,
    clientId: clientId ?? `sluice-${gateway}`,
    tls:
      tls === undefined || tls === false
        ? null
        : {
            ca: files.ca ?? null,
            cert: files.cert ?? null,
            key: files.key ?? null,
            serverName: files.serverName ?? null,
          },
    // The schema says text; the loader put a Secret in its place.
    sasl: (sasl as KafkaConfig['sasl'] | undefined) ?? null,
    topics,
    compression,
  };
}

const destinations = [...streams, 'gateway-status'] as const;

/** Looks at the file, not at the settings: there are none yet while anything else in `kafka` is wrong. */
function tellKafka(kafka: Node, problems: Problems): void {
  const [tls, sasl, topics] = ['tls', 'sasl', 'topics'].map((key) => child(kafka, key));
  if (sasl?.type === 'object' && (tls === undefined || valueOf(tls) === false)) {
    problems.atObject('warning', sasl, 'sasl without tls sends the password in clear; add "tls": true');
  }
  const [cert, key] = [child(tls, 'cert'), child(tls, 'key')];
  if (tls !== undefined && (cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? 'cert' : 'key';
    problems.atObject('error', tls, `${missing} is missing; allowed: cert and key together, or neither`);
  }
  const topicOf = (stream: string): unknown => {
    const stated = child(topics, stream);
    return stated === undefined ? stream : valueOf(stated);
  };
  for (const compacted of ['asset-metadata', 'gateway-status']) {
    const other = destinations.find((stream) => stream !== compacted && topicOf(stream) === topicOf(compacted));
    const place = child(topics, compacted) ?? child(topics, other ?? '');
    if (other === undefined || place === undefined) continue;
    problems.atValue(
      'error',
      place,
      `${nameOf(place)} is ${quoted(place.value)}; ${compacted} is compacted and would delete the records of ${other}; allowed: a topic of its own`,
    );
  }
}
