import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askChrony, isTrackingRight, parseTracking, trackingRequest } from '../../../agent/time/chrony.ts';
import { timeSource } from '../../../agent/time/time-sources.ts';
import { movedTime } from '../../support/moved-time.ts';
import { missingTool } from '../../support/tools.ts';

const sequence = 0x0102_0304;
/**
 * What chronyd 4.3 answered that followed a server two hours ahead and moved no clock. `chronyc -c tracking` said of it:
 * 7F000001,127.0.0.1,2,1795393428.784091346,7200.000000000,0.000003604,0.000003218,-0.194,0.086,34.685,0.000033514,0.000055810,0.5,Normal
 */
const wrong = Buffer.from(
  '060200000021000500000000000000000102030400000000000000007f0000017f0000010000000000000000000000000001000000020000' +
    '000000006b0387942ebc48d21ce10000def1d79dded7ef39ff3980a1fcaf95700e8abd53e68c9162e6d5351002805b5b',
  'hex',
);
/** The last offset stands behind what is still to be corrected. */
const following = Buffer.from(wrong);
wrong.copy(following, 68, 72, 76);

describe("chrony's answer", () => {
  it('is read from its bytes', () => {
    const tracking = parseTracking(wrong, sequence);
    expect(tracking).toMatchObject({ refId: 0x7f00_0001, leap: 0, correctionSeconds: 7200 });
    expect(tracking !== null && isTrackingRight(tracking)).toBe(false);
    const other = parseTracking(following, sequence);
    expect(other !== null && isTrackingRight(other)).toBe(true);
  });

  it.each([
    [72, 0.000_003_604, 9],
    [76, 0.000_003_218, 9],
    [80, -0.194, 3],
    [84, 0.086, 3],
    [88, 34.685, 3],
    [92, 0.000_033_514, 9],
    [100, 0.5, 1],
  ])('holds numbers as chronyc shows them: the one at byte %i is %d', (at, shown, digits) => {
    const bytes = Buffer.from(wrong);
    wrong.copy(bytes, 68, at, at + 4);
    expect(Math.abs((parseTracking(bytes, sequence)?.correctionSeconds ?? NaN) - shown)).toBeLessThan(10 ** -digits);
  });

  it('is none where a byte of its head is another, where it is cut, and where it is longer', () => {
    for (const at of [0, 1, 4, 5, 6, 7, 8, 9, 16, 17, 18, 19]) {
      const bytes = Buffer.from(following);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      expect(parseTracking(bytes, sequence)).toBeNull();
    }
    expect(parseTracking(following.subarray(0, 103), sequence)).toBeNull();
    expect(parseTracking(Buffer.concat([following, Buffer.alloc(1)]), sequence)).toBeNull();
  });

  it.each([
    ['is not synchronised', { leap: 3 }],
    ['follows nobody', { refId: 0 }],
    ['serves its own clock', { refId: 0x7f7f_0101 }],
    ['still has to move the clock', { correctionSeconds: -3600 }],
  ])('%s: the clock is not right', (_, some) => {
    const tracking = parseTracking(following, sequence);
    expect(tracking && isTrackingRight({ ...tracking, ...some })).toBe(false);
  });
});

describe('whoever asks chrony', () => {
  it('is told at once that nobody is there, and hears nobody out who talks nonsense', async () => {
    const peer = createSocket('udp4');
    peer.bind(0, '127.0.0.1');
    await once(peer, 'listening');
    const { port } = peer.address();
    peer.on('message', (bytes, from) => {
      for (const nonsense of [bytes, Buffer.alloc(0), Buffer.alloc(2000, 7), following]) peer.send(nonsense, from.port);
    });
    expect(await askChrony(port)).toBeNull();
    peer.close();
    await once(peer, 'close');
    const began = performance.now();
    expect(await askChrony(port)).toBeNull();
    expect(performance.now() - began).toBeLessThan(900);
  });

  it('sends as many bytes as it wants back', () => {
    expect(trackingRequest(7)).toHaveLength(following.length);
  });
});

const missing = missingTool('chronyd') ?? missingTool('faketime');

describe.skipIf(missing !== undefined)(`a real chronyd${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let folder: string;
  let running: ChildProcess[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-chrony-'));
    running = [];
  });
  afterEach(async () => {
    for (const child of running) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    rmSync(folder, { recursive: true });
  });

  /** Moves no clock (-x). Returns its two ports. */
  async function started(
    name: string,
    lines: (ports: { ntp: number; cmd: number }) => string[],
    ahead: string | null = null,
  ): Promise<number[]> {
    const [ntp = 0, cmd = 0] = await freePorts();
    const file = join(folder, name);
    const common = [
      'bindaddress 127.0.0.1',
      'bindcmdaddress 127.0.0.1',
      `bindcmdaddress ${file}.sock`,
      `pidfile ${file}.pid`,
    ];
    writeFileSync(file, [`cmdport ${cmd}`, ...common, ...lines({ ntp, cmd }), ''].join('\n'));
    const env = ahead === null ? process.env : movedTime(ahead);
    running.push(spawn('chronyd', ['-U', '-x', '-d', '-f', file], { stdio: 'ignore', env }));
    return [ntp, cmd];
  }

  const server = ({ ntp }: { ntp: number }): string[] => [`port ${ntp}`, 'local stratum 1', 'allow 127.0.0.1'];
  const follower = (ntp: number) => (): string[] => [
    'port 0',
    `server 127.0.0.1 port ${ntp} iburst minpoll -2 maxpoll -1`,
  ];
  const asked = (port: number): ReturnType<ReturnType<typeof timeSource>> =>
    timeSource('chrony', { timesyncFolder: '/nowhere', timedatectl: '/nowhere', chronyPort: port })();

  it('that follows a server says that the clock is right, and each time anew; one without a server says that it is not', async () => {
    const [ntp = 0, ownCmd = 0] = await started('server', server);
    const [, cmd = 0] = await started('follower', follower(ntp));
    await expect.poll(() => asked(cmd), { timeout: 10_000 }).toMatchObject({ trust: 'synced' });
    const first = await asked(cmd);
    await expect.poll(() => asked(cmd), { timeout: 10_000 }).not.toEqual(first);
    // It serves its own clock.
    expect(await asked(ownCmd)).toBe('unsynced');
  });

  it('that knows the time and has not moved the clock there says that it is wrong', async () => {
    const [ntp = 0] = await started('server', server, '+2h');
    const [, cmd = 0] = await started('follower', follower(ntp));
    await expect.poll(async () => (await askChrony(cmd))?.correctionSeconds ?? 0, { timeout: 10_000 }).not.toBe(0);
    expect(Math.abs((await askChrony(cmd))?.correctionSeconds ?? 0)).toBeGreaterThan(7000);
    expect(await asked(cmd)).toBe('unsynced');
  });
});

async function freePorts(): Promise<number[]> {
  const sockets = [createSocket('udp4'), createSocket('udp4')];
  for (const socket of sockets) {
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
  }
  const ports = sockets.map((socket) => socket.address().port);
  for (const socket of sockets) socket.close();
  return ports;
}
