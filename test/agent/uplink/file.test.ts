import { appendFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { fileUplink } from '../../../agent/uplink/file.ts';
import { type StoredLine, uplinkConformance } from '../../conformance/uplink.ts';

const folders: string[] = [];
const never = new AbortController().signal;

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sluice-file-'));
  folders.push(path);
  return path;
}

afterEach(async () => {
  for (const path of folders.splice(0)) await rm(path, { recursive: true, force: true });
});

interface Line {
  topic: string;
  key: string;
  timestamp: number;
  value: unknown;
}

async function linesOf(path: string): Promise<Line[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}

function record(value: string): { key: string; value: string; timestampMs: number } {
  return { key: 'gw/EM-1', value: `{"n":"${value}"}`, timestampMs: 1_795_352_400_000 };
}

uplinkConformance('the file uplink', async () => {
  const path = await mkdtemp(join(tmpdir(), 'sluice-file-'));
  const file = join(path, 'out', 'readings.ndjson');
  const moved = join(path, 'moved');
  return {
    uplinks: fileUplink({ path: file }),
    stored: async (to) =>
      (await linesOf(file))
        .filter(({ topic }) => topic === to)
        .map(({ topic, key, timestamp, value }): StoredLine => ({
          topic,
          key,
          timestampMs: timestamp,
          value: value === null ? null : JSON.stringify(value),
        })),
    break: async () => {
      await rename(join(path, 'out'), moved);
      await writeFile(join(path, 'out'), 'a file where the folder was');
    },
    mend: async () => {
      await rm(join(path, 'out'));
      await rename(moved, join(path, 'out'));
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
});

describe('the file uplink', () => {
  it('writes one line of topic, key, timestamp and value, in this order', async () => {
    const path = join(await folder(), 'out.ndjson');
    const uplink = fileUplink({ path, topics: { 'meter-readings': 'scada.meter-readings' } })('lane');
    await uplink.connect(never);
    await uplink.send('meter-readings', [record('a')], never);
    await uplink.send('asset-metadata', [{ ...record('b'), value: null }] as never, never);
    await uplink.close();
    expect(await readFile(path, 'utf8')).toBe(
      '{"topic":"scada.meter-readings","key":"gw/EM-1","timestamp":1795352400000,"value":{"n":"a"}}\n' +
        '{"topic":"asset-metadata","key":"gw/EM-1","timestamp":1795352400000,"value":null}\n',
    );
  });

  it.each([
    ['nothing', ''],
    ['half a line', '{"topic":"meter-rea'],
    ['half a character', Buffer.from('{"topic":"meter-readings","value":"☃').subarray(0, -1)],
    ['half a line longer than a block', `{"topic":"${'x'.repeat(200_000)}`],
  ])('cuts off %s that a crash left at the end, and no line before it', async (_, torn) => {
    const path = join(await folder(), 'out.ndjson');
    await writeFile(path, '{"topic":"t","key":"k","timestamp":1,"value":null}\n');
    await appendFile(path, torn);
    const uplink = fileUplink({ path })('lane');
    await uplink.connect(never);
    await uplink.send('meter-readings', [record('a')], never);
    await uplink.close();
    expect((await linesOf(path)).map(({ topic }) => topic)).toEqual(['t', 'meter-readings']);
  });

  it('glues nothing when several lanes write at once', async () => {
    const path = join(await folder(), 'out.ndjson');
    const uplinks = fileUplink({ path });
    const lanes = await Promise.all(
      ['meter-readings', 'sensor-values', 'gateway-events'].map(async (lane) => {
        const uplink = uplinks(lane);
        await uplink.connect(never);
        return { lane: lane as 'meter-readings', uplink };
      }),
    );
    await Promise.all(
      lanes.map(async ({ lane, uplink }) => {
        for (let round = 0; round < 20; round++)
          await uplink.send(
            lane,
            Array.from({ length: 50 }, () => record('x')),
            never,
          );
        await uplink.close();
      }),
    );
    expect(await linesOf(path)).toHaveLength(3 * 20 * 50);
  });

  it('follows its path when the file is moved away, as log rotation does', async () => {
    const dir = await folder();
    const path = join(dir, 'out.ndjson');
    const uplink = fileUplink({ path })('lane');
    await uplink.connect(never);
    await uplink.send('meter-readings', [record('a')], never);
    await rename(path, join(dir, 'old.ndjson'));
    await uplink.send('meter-readings', [record('b')], never);
    await uplink.close();
    expect((await linesOf(path)).map(({ value }) => value)).toEqual([{ n: 'b' }]);
    expect((await linesOf(join(dir, 'old.ndjson'))).map(({ value }) => value)).toEqual([{ n: 'a' }]);
  });

  it('leaves nothing of a batch that the disk took only half of, and goes on afterwards', async () => {
    const path = join(await folder(), 'out.ndjson');
    // A limit on the size of files stands for the full disk: the write comes back short, then fails.
    const script = `
      import { fileUplink } from ${JSON.stringify(join(import.meta.dirname, '../../../agent/uplink/file.ts'))};
      const never = new AbortController().signal;
      const uplinks = fileUplink({ path: ${JSON.stringify(path)} });
      const record = { key: 'gw/EM-1', value: '{"n":1}', timestampMs: 1 };
      async function send(count) {
        const uplink = uplinks('lane');
        await uplink.connect(never);
        await uplink.send('meter-readings', Array.from({ length: count }, () => record), never).finally(() => uplink.close());
      }
      await send(2);
      console.log(await send(1000).catch(({ fate, code }) => fate + ' ' + code));
      await send(1);`;
    const command = `trap '' XFSZ; ulimit -f 8; exec "$0" --input-type=module -e "$1"`;
    const { stdout } = await promisify(execFile)('sh', ['-c', command, process.execPath, script]);
    expect(stdout).toBe('retry EFBIG\n');
    expect(await linesOf(path)).toHaveLength(3);
  });
});
