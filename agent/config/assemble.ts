import { join } from 'node:path';
import type { CheckedFile } from './check-file.ts';
import { planConnections, switchedOffIn } from './plan-connections.ts';
import { tellKafka } from './kafka-problems.ts';
import { quoted, type Problems } from './problems.ts';
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
  const bufferPath = buffer?.path ?? join(stateDir, 'buffer');
  const kafka = child(child(root, 'uplink'), 'kafka');
  if (kafka !== undefined) tellKafka(kafka, problems);
  if (['buffer', 'stateDir'].every((key) => !checked.top.faulty.has(key))) {
    const severity = noSecrets ? 'warning' : 'error';
    const lines = checked.top.faulty.has('uplink') ? null : (uplink?.file?.path ?? null);
    tellSurroundings({ root, stateDir, bufferPath, maxBytes: buffer?.maxSize ?? null, lines, severity, problems });
  }
  const owner = site === undefined ? null : { id: site.id, labels: site.labels ?? {} };
  // What is wrong with the site is told there; whether it states a time zone is not known then.
  const timezone = checked.top.faulty.has('site') ? 'UTC' : (site?.timezone ?? null);
  tellExposed(root, top, problems);
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
    clock: { source: clock?.source ?? 'auto', holdMs: clock?.hold ?? 0 },
    buffer: {
      path: bufferPath,
      commitEveryMs: buffer?.commitEvery ?? 0,
      maxBytes: buffer?.maxSize ?? null,
      whenFull: buffer?.whenFull ?? 'thin',
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

/** What is allowed, and yet seldom meant. */
function tellExposed(root: Node, { status, clock }: Partial<FileSettings>, problems: Problems): void {
  const listen = child(child(root, 'status'), 'listen');
  if (listen !== undefined && status !== undefined && !/^(?:127\.|::1$|localhost$)/i.test(status.listen.host)) {
    const said = 'anybody who reaches this machine can read the status pages; on 127.0.0.1 only this machine can';
    problems.atValue('warning', listen, `listen is ${quoted(listen.value)}; ${said}`);
  }
  const source = child(child(root, 'clock'), 'source');
  if (source !== undefined && clock?.source === 'trusted') {
    const said = 'nobody is asked whether the clock is right: a wrong time is sent as synced';
    problems.atValue('warning', source, `source is "trusted"; ${said}`);
  }
}
