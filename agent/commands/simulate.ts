import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { applyEdits, modify } from 'jsonc-parser';
import type { ModbusPlan } from '../../drivers/modbus/plan.ts';
import { simulatedRegisters } from '../../drivers/modbus/simulated-device.ts';
import { faultNames, isLoopback, refuseUnknownFault, startSimulator } from '../../drivers/modbus/simulator.ts';
import type { Simulator } from '../../drivers/modbus/simulator.ts';
import { aborted } from '../aborted.ts';
import { builtAtMs } from '../build-time.ts';
import { SluiceError, UsageError, messageOf } from '../errors.ts';
import { systemClock } from '../time/system-clock.ts';
import { timeSource } from '../time/time-sources.ts';
import { defaultFile, fileArgument } from './command.ts';
import type { Command, Io } from './command.ts';
import { configured } from './configured.ts';

interface Served {
  readonly connection: string;
  readonly plan: ModbusPlan;
  readonly host: string;
  readonly simulator: Simulator;
}

/** What is told, once as text and once as JSON. */
type Tell = (text: string, json: Readonly<Record<string, unknown>>) => void;

export const simulate: Command = {
  name: 'simulate',
  about: `Serves the Modbus devices of a configuration with invented, lively values: totals grow, gauges drift.
Loopback only: takes the configured port where the host is loopback, else a free one; a configured address is never opened.
A serial line is served on a free port as RTU over TCP; what --write saves reads it there.
A point in the unit {polls} counts its reads.`,
  arguments: [fileArgument],
  options: {
    write: {
      value: 'FILE',
      about: 'saves the same configuration pointing at the simulated meters, for `sluice read` and `sluice run`',
    },
    seed: { value: 'N', about: 'other values (1)' },
    fault: {
      value: 'DEVICE=FAULT',
      multiple: true,
      about: 'switches a fault on at the start',
      example: 'EM-104=silent',
      wordsBehind: faultNames,
    },
    json: { about: 'one JSON value a line' },
  },
  notes: `Lines on standard input:
  fault DEVICE FAULT  FAULT is one of ${faultNames.join(', ')}
  stats               requests and answers per device, connections`,
  examples: [
    { line: 'sluice simulate site.json --write simulated.json', about: 'then, beside it: sluice read simulated.json' },
    { line: 'sluice simulate site.json --fault EM-104=silent', about: 'a meter that is dead from the start' },
  ],
  exits: { 0: 'ended by SIGINT or SIGTERM', 1: 'a port cannot be had', 78: 'the configuration is wrong' },

  async run(args, io) {
    const { values, positionals } = args;
    const file = positionals[0] ?? defaultFile;
    const seed = seedOf(values['seed']);
    const copy = typeof values['write'] === 'string' ? values['write'] : undefined;
    const config = configured(args, io, { noSecrets: true, again: true });
    if (copy !== undefined && samePlace(copy, file)) throw new UsageError(`--write ${copy} would overwrite ${file}`);
    const plans = config.connections
      .filter(({ driver }) => driver.startsWith('modbus-'))
      .map(({ id, plan }) => [id, plan as ModbusPlan] as const);
    for (const { id, driver } of config.connections)
      if (!driver.startsWith('modbus-'))
        io.stderr.write(
          `connection "${id}" is not simulated: this version serves Modbus alone, not ${driver}; what --write saves asks the real one\n`,
        );
    const faults = faultsOf(values['fault']);
    refuseFaults(
      faults,
      plans.map(([, plan]) => ({ plan })),
    );
    const tell: Tell = (text, json) => {
      io.stdout.write(values['json'] === true ? `${JSON.stringify(json)}\n` : `${text}\n`);
    };
    const clock = systemClock({ source: timeSource('none'), builtAtMs });
    const served: Served[] = [];
    try {
      for (const [id, plan] of plans) served.push(await serve(id, plan, seed, clock));
      for (const { device, name } of faults) ownerOf(served, device).simulator.fault(device, name);
      for (const one of served) tellServed(one, tell);
      if (copy !== undefined) {
        writeFileSync(copy, pointedAt(readFileSync(file, 'utf8'), served));
        const moved =
          dirname(resolve(copy)) === dirname(resolve(file)) ? '' : '; relative paths in it count from its own folder';
        tell(`${copy} points at the simulated meters${moved}. What is read there is invented.`, {
          event: 'written',
          file: copy,
        });
      }
      tell('Ready.', { event: 'ready' });
      await obey(served, io, tell);
    } finally {
      await Promise.all(served.map(({ simulator }) => simulator.close()));
      clock.close();
    }
    return 0;
  },
};

const whatToDo: Readonly<Record<string, string>> = {
  EADDRINUSE: ', something listens there already: end it, or state another "port" of this connection',
  EACCES: ', ports below 1024 are for root: state another "port" of this connection',
};

async function serve(
  connection: string,
  plan: ModbusPlan,
  seed: number,
  clock: ReturnType<typeof systemClock>,
): Promise<Served> {
  const { transport } = plan;
  const local = transport.kind !== 'rtu' && isLoopback(transport.host);
  const host = local ? transport.host : '127.0.0.1';
  const port = local ? transport.port : 0;
  try {
    return { connection, plan, host, simulator: await startSimulator({ plan, host, port, clock, seed }) };
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const hint = whatToDo[code] ?? '';
    throw new SluiceError('PORT_NOT_FREE', `connection "${connection}": ${host}:${port} cannot be served${hint}`, {
      cause,
    });
  }
}

function tellServed({ connection, plan, host, simulator }: Served, tell: Tell): void {
  const devices = plan.devices.map((device) => {
    const { coil, discrete, holding, input } = simulatedRegisters(device);
    return {
      device: device.id,
      unitId: device.unitId,
      points: device.points.length,
      registers: holding.size + input.size,
      bits: coil.size + discrete.size,
    };
  });
  const lines = devices.map(
    ({ device, unitId, points, registers, bits }) =>
      `  ${device}: unit ${unitId}, ${points} points, ${registers} registers${bits === 0 ? '' : `, ${bits} bits`}`,
  );
  const { transport } = plan;
  const configuredAt = transport.kind === 'rtu' ? transport.path : `${transport.host}:${transport.port}`;
  const at = `${host}:${simulator.port}`;
  const stead = at === configuredAt ? '' : ` in place of ${configuredAt}`;
  const how = transport.kind === 'tcp' ? '' : ', RTU over TCP';
  tell([`${connection}: serving on ${at}${how}${stead}`, ...lines].join('\n'), {
    event: 'serving',
    connection,
    configured: configuredAt,
    host,
    port: simulator.port,
    devices,
  });
}

/** Until the signal fires. Standard input may end before; a wrong line changes nothing and says so. */
async function obey(served: readonly Served[], { signal, stderr, stdin }: Io, tell: Tell): Promise<void> {
  const input = createInterface({ input: stdin, terminal: false });
  input.on('line', (line) => {
    const [word = '', device = '', name = '', ...more] = line.trim().split(/\s+/);
    try {
      if (word === 'fault' && name !== '' && more.length === 0) {
        ownerOf(served, device).simulator.fault(device, name);
        tell(`${device}: ${name === 'off' ? 'no fault' : name}`, { event: 'fault', device, fault: name });
      } else if (word === 'stats' && device === '') tellStats(served, tell);
      else if (word !== '') throw new RangeError(`not understood: ${line.trim()}; say: fault DEVICE FAULT, or: stats`);
    } catch (error) {
      stderr.write(`${messageOf(error)}\n`);
    }
  });
  await aborted(signal);
  input.close();
}

function tellStats(served: readonly Served[], tell: Tell): void {
  for (const { connection, simulator } of served) {
    const { connections, devices } = simulator.stats();
    const lines = Object.entries(devices).map(
      ([id, { requests, answered, fault }]) =>
        `  ${id}: ${requests} requests, ${answered} answered${fault === 'off' ? '' : `, ${fault}`}`,
    );
    tell([`${connection}: ${connections.now} connections now, ${connections.ever} ever`, ...lines].join('\n'), {
      event: 'stats',
      connection,
      connections,
      devices,
    });
  }
}

/** Throws RangeError with the devices that there are. */
function ownerOf<One extends Pick<Served, 'plan'>>(served: readonly One[], device: string): One {
  const owner = served.find(({ plan }) => plan.devices.some(({ id }) => id === device));
  if (owner !== undefined) return owner;
  const known = served.flatMap(({ plan }) => plan.devices.map(({ id }) => id));
  throw new RangeError(`there is no simulated device "${device}"; there are: ${known.join(', ')}`);
}

/** Before any port is opened. */
function refuseFaults(
  faults: readonly { readonly device: string; readonly name: string }[],
  served: readonly Pick<Served, 'plan'>[],
): void {
  try {
    for (const { device, name } of faults) {
      ownerOf(served, device);
      refuseUnknownFault(name);
    }
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

function faultsOf(stated: unknown): { device: string; name: string }[] {
  return (Array.isArray(stated) ? stated : []).map((text) => {
    const [device = '', name = '', ...more] = String(text).split('=');
    if (device === '' || name === '' || more.length > 0) {
      throw new UsageError(`--fault ${String(text)}; allowed: DEVICE=FAULT, e.g. EM-104=silent`);
    }
    return { device, name };
  });
}

function seedOf(stated: unknown): number {
  const seed = stated === undefined ? 1 : Number(stated);
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new UsageError(`--seed ${String(stated)}; allowed: a whole number from 0`);
  return seed;
}

/** The text with other hosts and ports, and such in place of a serial line; comments and all else stay as they are. */
export function pointedAt(
  text: string,
  served: readonly {
    connection: string;
    plan: Pick<ModbusPlan, 'transport'>;
    host: string;
    simulator: { port: number };
  }[],
): string {
  let changed = text;
  for (const { connection, plan, host, simulator } of served) {
    const ofLine = ['path', 'baudRate', 'parity', 'stopBits'].map((key) => [key, undefined] as const);
    const moved = [['driver', 'modbus-rtu-over-tcp'], ...ofLine] as const;
    for (const [key, value] of [
      ...(plan.transport.kind === 'rtu' ? moved : []),
      ['host', host],
      ['port', simulator.port],
    ] as const) {
      const edits = modify(changed, ['connections', connection, key], value, {});
      changed = applyEdits(changed, edits);
    }
  }
  return changed;
}

function samePlace(a: string, b: string): boolean {
  if (resolve(a) === resolve(b)) return true;
  try {
    return realpathSync(a) === realpathSync(b);
  } catch {
    return false; // not there yet
  }
}
