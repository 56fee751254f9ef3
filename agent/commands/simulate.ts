import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { applyEdits, modify } from 'jsonc-parser';
import { driverFor, registry } from '../../drivers/registry.ts';
import { isLoopback } from '../../drivers/simulation.ts';
import type { Network, Simulation, Simulator } from '../../drivers/simulation.ts';
import { aborted } from '../aborted.ts';
import { builtAtMs } from '../build-time.ts';
import type { Clock } from '../clock.ts';
import { SluiceError, UsageError, messageOf } from '../errors.ts';
import { systemClock } from '../time/system-clock.ts';
import { timeSource } from '../time/time-sources.ts';
import { defaultFile, fileArgument } from './command.ts';
import type { Command, Io } from './command.ts';
import { configured } from './configured.ts';

/** A connection that can be simulated. */
interface Wanted {
  readonly connection: string;
  readonly plan: unknown;
  readonly devices: readonly string[];
  readonly simulation: Simulation;
}

interface Served extends Wanted {
  readonly at: Network;
  readonly simulator: Simulator;
}

/** What is told, once as text and once as JSON. */
type Tell = (text: string, json: Readonly<Record<string, unknown>>) => void;

const families = registry.families.flatMap(({ schema, simulation }) =>
  simulation === undefined ? [] : [{ family: schema.family, faults: simulation.faults }],
);

export const simulate: Command = {
  name: 'simulate',
  about: `Serves the devices of a configuration with invented, lively values: totals grow, gauges drift.
Loopback only: takes the configured port where the host is loopback, else a free one; a configured address is never opened.
A serial line is served on a free port as RTU over TCP; what --write saves reads it there.
A Modbus point in the unit {polls} counts its reads.
An OPC UA server has the nodes of its points, the security that the configuration asks for, and takes its user with any password.
Its certificate is kept in ~/.cache/sluice, so that it is to be trusted once: the line that does so is printed.`,
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
      wordsBehind: [...new Set(families.flatMap(({ faults }) => faults))],
    },
    json: { about: 'one JSON value a line' },
  },
  notes: `Lines on standard input:
  fault DEVICE FAULT  FAULT is one of
${families.map(({ family, faults }) => `                      ${family}: ${faults.join(', ')}`).join('\n')}
  stats               requests and answers per device, connections
Of OPC UA, bad:STATUS (bad:BadSensorFailure) and gone (its nodes are deleted) are of the device alone. The others are of the whole
server: silent answers nothing, late answers after the timeout, deaf sends nothing of its subscriptions, refuse lets nobody connect,
restart ends all sessions and is over at once.`,
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
    const wanted: Wanted[] = [];
    for (const { id: connection, driver, plan, devices } of config.connections) {
      const simulation = await driverFor(driver)?.simulation?.load();
      if (simulation === undefined)
        io.stderr.write(
          `connection "${connection}" is not simulated: nothing here stands for ${driver}; what --write saves asks the real one\n`,
        );
      else wanted.push({ connection, plan, devices: devices.map(({ id }) => id), simulation });
    }
    const faults = faultsOf(values['fault']);
    refuseFaults(faults, wanted);
    const tell: Tell = (text, json) => {
      io.stdout.write(values['json'] === true ? `${JSON.stringify(json)}\n` : `${text}\n`);
    };
    const clock = systemClock({ source: timeSource('none'), builtAtMs });
    const served: Served[] = [];
    try {
      for (const one of wanted) served.push(await serve(one, { seed, clock, folder: keptIn(io) }));
      for (const { device, name } of faults) await ownerOf(served, device).simulator.fault(device, name);
      for (const one of served) tellServed(one, copy ?? file, tell);
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

async function serve(
  wanted: Wanted,
  options: { readonly seed: number; readonly clock: Clock; readonly folder: string },
): Promise<Served> {
  const { connection, plan, simulation } = wanted;
  const network = simulation.network(plan);
  const isLocal = network !== null && isLoopback(network.host);
  const { host, port } = isLocal ? network : { host: '127.0.0.1', port: 0 };
  try {
    const simulator = await simulation.start({ plan, host, port, ...options });
    return { ...wanted, at: { host, port: simulator.port }, simulator };
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const why = whyNot[code];
    const hint = why === undefined ? '' : `, ${why}${simulation.elsewhere}`;
    throw new SluiceError('PORT_NOT_FREE', `connection "${connection}": ${host}:${port} cannot be served${hint}`, {
      cause,
    });
  }
}

const whyNot: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something listens there already: end it, or ',
  EACCES: 'ports below 1024 are for root: ',
};

/** For what is the same in the next run. */
function keptIn({ env }: Io): string {
  return join(env['XDG_CACHE_HOME'] ?? join(env['HOME'] ?? homedir(), '.cache'), 'sluice', 'simulate');
}

/** `read`: the configuration that leads there. */
function tellServed({ connection, plan, simulation, at, simulator }: Served, read: string, tell: Tell): void {
  const contents = simulation.contents(plan);
  const lines = contents.map(({ device, text }) => `  ${device}: ${text}`);
  const [configuredAt, here] = [simulation.address(plan), simulation.address(plan, at)];
  const stead = here === configuredAt ? '' : ` in place of ${configuredAt}`;
  const remark = simulation.remark?.(plan) ?? null;
  const { certificate } = simulator;
  if (certificate !== undefined)
    lines.push(`  its certificate, to be trusted once: sluice pki trust ${certificate} ${read}`);
  tell([`${connection}: serving on ${here}${remark === null ? '' : `, ${remark}`}${stead}`, ...lines].join('\n'), {
    event: 'serving',
    connection,
    configured: configuredAt,
    ...at,
    ...(certificate !== undefined && { certificate }),
    devices: contents.map(({ device, json }) => ({ device, ...json })),
  });
}

/** Until the signal fires. Standard input may end before; a wrong line changes nothing and says so. */
async function obey(served: readonly Served[], { signal, stderr, stdin }: Io, tell: Tell): Promise<void> {
  const input = createInterface({ input: stdin, terminal: false });
  const one = async (line: string): Promise<void> => {
    const [word = '', device = '', name = '', ...more] = line.trim().split(/\s+/);
    try {
      if (word === 'fault' && name !== '' && more.length === 0) {
        await ownerOf(served, device).simulator.fault(device, name);
        tell(`${device}: ${name === 'off' ? 'no fault' : name}`, { event: 'fault', device, fault: name });
      } else if (word === 'stats' && device === '') tellStats(served, tell);
      else if (word !== '') throw new RangeError(`not understood: ${line.trim()}; say: fault DEVICE FAULT, or: stats`);
    } catch (error) {
      stderr.write(`${messageOf(error)}\n`);
    }
  };
  // One after the other, in the order in which they came.
  let last = Promise.resolve();
  input.on('line', (line) => {
    last = last.then(() => one(line));
  });
  await aborted(signal);
  input.close();
  await last;
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
function ownerOf<One extends Wanted>(served: readonly One[], device: string): One {
  const owner = served.find(({ devices }) => devices.includes(device));
  if (owner !== undefined) return owner;
  const known = served.flatMap(({ devices }) => devices);
  throw new RangeError(`there is no simulated device "${device}"; there are: ${known.join(', ')}`);
}

/** Before any port is opened. */
function refuseFaults(
  faults: readonly { readonly device: string; readonly name: string }[],
  wanted: readonly Wanted[],
): void {
  try {
    for (const { device, name } of faults) ownerOf(wanted, device).simulation.refuseUnknownFault(name);
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

/** The text with connections that lead to where they are served; comments and all else stay as they are. */
export function pointedAt(
  text: string,
  served: readonly (Pick<Served, 'connection' | 'plan' | 'at'> & { readonly simulation: Pick<Simulation, 'moved'> })[],
): string {
  let changed = text;
  for (const { connection, plan, simulation, at } of served)
    for (const [key, value] of Object.entries(simulation.moved(plan, at)))
      changed = applyEdits(changed, modify(changed, ['connections', connection, key], value, {}));
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
