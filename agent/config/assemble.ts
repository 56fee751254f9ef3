import { join, dirname, resolve } from 'node:path';
import { streams } from '../reading.ts';
import type { CheckedFile } from './check-file.ts';
import { planConnections } from './plan-connections.ts';
import type { Problems } from './problems.ts';
import type { FileSettings } from './schema.ts';
import type { KafkaConfig, SiteConfig } from './site-config.ts';
import { child, type Node } from './source.ts';
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
  const absoluteStateDir = resolve(dirname(resolve(file)), stateDir);
  const bufferPath = buffer?.path ?? join(absoluteStateDir, 'buffer');
  if (uplink?.kafka !== undefined) tellKafka(uplink.kafka, child(child(root, 'uplink'), 'kafka'), problems);
  tellSurroundings({
    root,
    bufferPath,
    maxBytes: buffer?.maxSize ?? null,
    severity: noSecrets ? 'warning' : 'error',
    problems,
  });
  const connections = planConnections(checked, { gateway, site: site?.id ?? null, problems });
  if (problems.hasErrors || uplink === undefined) return null;
  return {
    file,
    gateway,
    site:
      site === undefined
        ? null
        : { id: site.id, name: site.name ?? null, timezone: site.timezone ?? null, labels: site.labels ?? {} },
    stateDir: absoluteStateDir,
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

function tellKafka(settings: KafkaSettings, node: Node | undefined, problems: Problems): void {
  if (node === undefined) return;
  const { tls, sasl, topics } = settings;
  const saslNode = child(node, 'sasl');
  if (sasl !== undefined && saslNode !== undefined && (tls === undefined || tls === false)) {
    problems.atObject('warning', saslNode, 'sasl without tls sends the password in clear; add "tls": true');
  }
  const tlsNode = child(node, 'tls');
  if (typeof tls === 'object' && tlsNode !== undefined && (tls.cert === undefined) !== (tls.key === undefined)) {
    problems.atObject(
      'error',
      tlsNode,
      `${tls.cert === undefined ? 'cert' : 'key'} is missing; allowed: cert and key together, or neither`,
    );
  }
  for (const compacted of ['asset-metadata', 'gateway-status'] as const) {
    const other = destinations.find((stream) => stream !== compacted && topics[stream] === topics[compacted]);
    const place = child(child(node, 'topics'), compacted) ?? child(child(node, 'topics'), other ?? '');
    if (other === undefined || place === undefined) continue;
    problems.atValue(
      'error',
      place,
      `topic ${topics[compacted]} is that of ${compacted} and of ${other}; ${compacted} is compacted and would delete the other's records; allowed: a topic of its own`,
    );
  }
}
