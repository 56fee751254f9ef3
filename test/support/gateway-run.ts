import { fork, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SeenByGateway } from '../simulators/gateway-program.ts';

const program = fileURLToPath(new URL('../simulators/gateway-program.ts', import.meta.url));
const everyMs = 1000;
/** What was read is in the file by then: one commit, one sending. */
const deliveryMs = 4000;

export interface GatewayRun {
  /** Files of the run; removed at its end. */
  readonly dir: string;
  /** Node's options and the program `sluice`. */
  readonly sluice: readonly string[];
  readonly units: number;
  readonly dead: number;
  readonly settleMs: number;
  readonly measuredMs: number;
  /** Further keys of the connection. */
  readonly connection?: Readonly<Record<string, unknown>>;
}

export interface GatewayFigures {
  /** Good readings of the living, and the slots that they had. */
  readonly delivered: number;
  readonly slots: number;
  /** From the slot to the answer, of what was delivered. */
  readonly latestMs: number;
  /** How far the time between two polls of one unit was off, as the gateway saw them. */
  readonly offMs: readonly number[];
  /** Requests for the dead, as the gateway saw them. */
  readonly inVain: number;
}

/**
 * The daemon in front of a gateway that serves one request at a time, 2 ms for a living unit and the daemon's own timeout (1 s) for a dead one; every unit is read once a second. Daemon and
 * gateway are processes of their own, and what is counted comes from the uplink's file and from the gateway.
 */
export async function runGateway({ dir, sluice, ...run }: GatewayRun): Promise<GatewayFigures> {
  const folder = mkdtempSync(join(dir, 'sluice-gateway-'));
  const gateway = fork(program, [run.units, run.dead, 2, 1000].map(String), { execArgv: [] });
  let daemon: ChildProcess | null = null;
  try {
    const [{ port, dead }] = (await once(gateway, 'message')) as [{ port: number; dead: number[] }];
    writeFileSync(join(folder, 'sluice.json'), JSON.stringify(siteOf(folder, port, run)));
    daemon = spawn(process.execPath, [...sluice, 'run', join(folder, 'sluice.json')], { stdio: 'ignore' });
    await sleep(run.settleMs);
    await seen(gateway);
    const fromMs = Math.ceil(Date.now() / everyMs) * everyMs;
    await sleep(fromMs + run.measuredMs - Date.now());
    const { intervalsMs, inVain } = await seen(gateway);
    await sleep(deliveryMs);
    if (daemon.exitCode !== null) throw new Error(`the daemon ended with ${daemon.exitCode}`);
    const isIn = (slotMs: number): boolean => slotMs >= fromMs && slotMs < fromMs + run.measuredMs;
    const good = goodOf(join(folder, 'out.ndjson')).filter(({ device, slotMs }) => {
      if (dead.includes(Number(device.slice(1)))) throw new Error(`${device} is dead, and a value of it was delivered`);
      return isIn(slotMs);
    });
    return {
      delivered: good.length,
      slots: (run.units - run.dead) * Math.floor(run.measuredMs / everyMs),
      latestMs: Math.max(...good.map(({ lateMs }) => lateMs)),
      offMs: intervalsMs.map((ms) => Math.abs(ms - everyMs)),
      inVain,
    };
  } finally {
    await end(daemon);
    gateway.disconnect();
    rmSync(folder, { recursive: true, force: true });
  }
}

function siteOf(folder: string, port: number, { units, connection }: Pick<GatewayRun, 'units' | 'connection'>): object {
  return {
    version: 1,
    gateway: 'ps-12',
    connections: { panel: { driver: 'modbus-tcp', host: '127.0.0.1', port, timeout: '1s', ...connection } },
    profiles: { meter: { points: [{ name: 'polls', unit: '1', address: 0 }] } },
    devices: Array.from({ length: units }, (_, at) => ({
      id: `M${at + 1}`,
      connection: 'panel',
      unitId: at + 1,
      profile: 'meter',
      every: `${everyMs}ms`,
    })),
    stateDir: join(folder, 'state'),
    uplink: { file: { path: join(folder, 'out.ndjson') } },
  };
}

async function seen(gateway: ChildProcess): Promise<SeenByGateway> {
  gateway.send('seen');
  const [told] = (await once(gateway, 'message')) as [SeenByGateway];
  return told;
}

interface Delivered {
  readonly device: string;
  readonly quality: string;
  readonly time: string;
  readonly slot: string | null;
  readonly repeat: boolean;
}

/** Every good reading of the file once. */
function goodOf(file: string): { device: string; slotMs: number; lateMs: number }[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines
    .filter((line) => line.includes('"point":"polls"'))
    .map((line) => (JSON.parse(line) as { value: Delivered }).value)
    .filter(({ quality, slot, repeat }) => quality === 'good' && slot !== null && !repeat)
    .map(({ device, time, slot }) => {
      const slotMs = Date.parse(slot ?? '');
      return { device, slotMs, lateMs: Date.parse(time) - slotMs };
    });
}

async function end(daemon: ChildProcess | null): Promise<void> {
  if (daemon === null || daemon.exitCode !== null) return;
  const ended = once(daemon, 'exit');
  daemon.kill('SIGTERM');
  const late = setTimeout(() => daemon.kill('SIGKILL'), 20_000);
  await ended;
  clearTimeout(late);
}
