import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../support/command-line.ts';
import { noKafka, readTopic, temporaryBroker } from '../../support/kafka.ts';

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-topics-'));
  file = join(folder, 'sluice.json');
  writeFileSync(file, JSON.stringify(site({ kafka: { brokers: ['k-1:9093', 'k-2:9093'], topics } })));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const topics = { 'meter-readings': 'scada.meter-readings', 'asset-metadata': 'scada.assets' };

function site(uplink: object): object {
  const points = [{ name: 'flow', unit: 'm3/h', address: 1 }];
  return {
    version: 1,
    gateway: 'ps-12',
    connections: { panel: { driver: 'modbus-tcp', host: '10.0.0.1' } },
    devices: [{ id: 'EM-1', connection: 'panel', unitId: 1, points }],
    stateDir: folder,
    uplink,
  };
}

interface Printed {
  readonly topic: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly config: Readonly<Record<string, string>>;
}
async function printed(...args: string[]): Promise<Printed[]> {
  const { code, stdout } = await run('schema', 'topics', ...args, '--json');
  expect(code).toBe(0);
  return JSON.parse(stdout) as Printed[];
}

/** What a shell makes of the printed commands: the arguments that `kafka-topics.sh` gets, one list a call. */
function called(script: string, env: Readonly<Record<string, string>> = {}): string[][] {
  const tool = join(folder, 'kafka-topics.sh');
  writeFileSync(
    tool,
    `#!/bin/sh\nfor each in "$@"; do printf '%s\\n' "$each"; done >> ${folder}/calls\necho -- >> ${folder}/calls\n`,
  );
  chmodSync(tool, 0o755);
  writeFileSync(join(folder, 'calls'), '');
  execFileSync('/bin/sh', ['-eu', '-c', script], {
    stdio: 'pipe',
    env: { PATH: `${folder}:/bin:/usr/bin`, COMMAND_CONFIG: '', ...env },
  });
  return readFileSync(join(folder, 'calls'), 'utf8')
    .split('--\n')
    .slice(0, -1)
    .map((call) => call.trimEnd().split('\n'));
}
const behind = (call: readonly string[], option: string): string[] =>
  call.flatMap((each, at) => (each === option ? [call[at + 1] ?? ''] : []));

describe('sluice schema topics', () => {
  it('keeps readings for 400 days and more, whatever their age, and the newest of each key of what is compacted', async () => {
    const all = new Map((await printed()).map((topic) => [topic.topic, topic]));
    expect([...all.keys()].toSorted()).toEqual([
      'asset-metadata',
      'gateway-events',
      'gateway-status',
      'meter-readings',
      'sensor-values',
    ]);
    const days = (ms: string | undefined): number => Number(ms) / 1000 / 60 / 60 / 24;
    for (const name of ['meter-readings', 'sensor-values', 'gateway-events']) {
      const config = all.get(name)?.config ?? {};
      expect(config['cleanup.policy']).toBe('delete');
      expect(days(config['retention.ms'])).toBeGreaterThanOrEqual(400);
    }
    for (const name of ['asset-metadata', 'gateway-status']) {
      const { config = {}, partitions = 0 } = all.get(name) ?? {};
      expect([config['cleanup.policy'], partitions, days(config['delete.retention.ms'])]).toEqual(['compact', 1, 30]);
    }
    for (const { config, replicationFactor } of all.values()) {
      expect(config['message.timestamp.before.max.ms']).toBe(String(2n ** 63n - 1n));
      expect([replicationFactor, config['min.insync.replicas']]).toEqual([3, '2']);
    }
    expect(all.get('meter-readings')?.partitions).toBe(6);
  });

  it('takes names and brokers from the configuration, and lets the environment have other brokers', async () => {
    const { stdout } = await run('schema', 'topics', file);
    const calls = called(stdout);
    expect(calls.flatMap((call) => behind(call, '--topic'))).toEqual([
      'scada.meter-readings',
      'sensor-values',
      'scada.assets',
      'gateway-events',
      'gateway-status',
    ]);
    expect(new Set(calls.flatMap((call) => behind(call, '--bootstrap-server')))).toEqual(
      new Set(['k-1:9093,k-2:9093']),
    );
    const others = called(stdout, { BROKERS: 'k-9:9092', COMMAND_CONFIG: 'client.properties' });
    expect(behind(others[0] ?? [], '--bootstrap-server')).toEqual(['k-9:9092']);
    expect(behind(others[0] ?? [], '--command-config')).toEqual(['client.properties']);
    expect(calls[0]).not.toContain('--command-config');
    const { stdout: unnamed } = await run('schema', 'topics');
    expect(() => called(unnamed)).toThrow(/BROKERS/);
  });

  it('says the same as commands and as data', async () => {
    const options = [file, '--partitions', '12', '--replication', '2'];
    const { stdout } = await run('schema', 'topics', ...options);
    const calls = called(stdout).map((call) => ({
      topic: behind(call, '--topic')[0],
      partitions: Number(behind(call, '--partitions')[0]),
      replicationFactor: Number(behind(call, '--replication-factor')[0]),
      config: Object.fromEntries(behind(call, '--config').map((pair) => pair.split('='))) as object,
    }));
    expect(await printed(...options)).toEqual(calls.map((call) => ({ stream: expect.any(String) as string, ...call })));
    expect(calls.map(({ partitions, replicationFactor }) => [partitions, replicationFactor])).toEqual([
      [12, 2],
      [12, 2],
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
  });

  it('ends with the first command that fails', async () => {
    const { stdout } = await run('schema', 'topics', file);
    called(stdout);
    writeFileSync(join(folder, 'kafka-topics.sh'), `#!/bin/sh\necho called >> ${folder}/calls\nexit 1\n`);
    writeFileSync(join(folder, 'calls'), '');
    const env = { PATH: `${folder}:/bin:/usr/bin` };
    expect(() => execFileSync('/bin/sh', ['-c', stdout], { stdio: 'pipe', env })).toThrow(/Command failed/);
    expect(readFileSync(join(folder, 'calls'), 'utf8')).toBe('called\n');
  });

  it('says in front why a setting is special, each one', async () => {
    const { stdout } = await run('schema', 'topics');
    const set = new Set([...stdout.matchAll(/--config (\S+=\S+)/g)].map(([, pair]) => pair));
    const explained = [...stdout.matchAll(/^# (\S+=\S+)\n# {3}\S/gm)].map(([, pair]) => pair);
    expect(explained.length).toBeGreaterThan(5);
    expect(new Set(explained)).toEqual(
      new Set([...set].filter((pair) => pair?.startsWith('cleanup.policy=') === false)),
    );
    expect(stdout).toContain('# retention.ms=34560000000\n#   400 days');
  });

  it('makes a topic that two streams share once', async () => {
    const shared = { 'meter-readings': 'readings', 'sensor-values': 'readings' };
    writeFileSync(join(folder, 'shared.json'), JSON.stringify(site({ kafka: { brokers: ['k:1'], topics: shared } })));
    const names = (await printed(join(folder, 'shared.json'))).map(({ topic }) => topic);
    expect(names).toEqual(['readings', 'asset-metadata', 'gateway-events', 'gateway-status']);
  });

  it('refuses what no topic can have, and a configuration without Kafka', async () => {
    expect(await run('schema', 'topics', '--partitions', '0')).toMatchObject({ code: 2 });
    expect(await run('schema', 'topics', '--replication', 'two')).toMatchObject({ code: 2 });
    writeFileSync(join(folder, 'lines.json'), JSON.stringify(site({ file: { path: 'out.ndjson' } })));
    const { code, stderr } = await run('schema', 'topics', join(folder, 'lines.json'));
    expect([code, stderr]).toEqual([78, expect.stringContaining('needs no topics') as string]);
  });
});

describe.skipIf(noKafka !== undefined)(
  `what sluice schema topics prints, on the real broker${noKafka === undefined ? '' : ` (skipped: ${noKafka})`}`,
  () => {
    let broker: Awaited<ReturnType<typeof temporaryBroker>>;
    beforeAll(async () => {
      broker = await temporaryBroker();
    });
    afterAll(() => broker?.remove());

    it('is taken as it stands, and found there', async () => {
      const wanted = await printed(file, '--replication', '1');
      const admin = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      await admin.createTopics({
        waitForLeaders: true,
        topics: wanted.map(({ topic, partitions, replicationFactor, config }) => ({
          topic,
          numPartitions: partitions,
          replicationFactor,
          configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
        })),
      });
      const found = await admin.describeConfigs({
        includeSynonyms: false,
        resources: wanted.map(({ topic }) => ({ type: ConfigResourceTypes.TOPIC, name: topic })),
      });
      const partitions = await admin.fetchTopicMetadata({ topics: wanted.map(({ topic }) => topic) });
      for (const { topic, config, partitions: count } of wanted) {
        const entries = found.resources.find(({ resourceName }) => resourceName === topic)?.configEntries ?? [];
        const settings = Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue]));
        expect(settings).toMatchObject(config);
        expect(partitions.topics.find(({ name }) => name === topic)?.partitions).toHaveLength(count);
      }
      await admin.disconnect();
    });

    it('lets a reading of last century in, with its own time', async () => {
      const producer = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING }).producer();
      await producer.connect();
      const timestamp = String(Date.UTC(1999, 0, 1));
      await producer.send({ topic: 'scada.assets', messages: [{ key: 'k', value: 'v', timestamp }] });
      await producer.disconnect();
      expect(await readTopic(broker.bootstrap, 'scada.assets')).toMatchObject([{ timestamp: Number(timestamp) }]);
    });
  },
);
