import { StatusCodes } from 'node-opcua-client';
import type { StatusCode } from 'node-opcua-client';
import { isLoopback } from '../simulation.ts';
import type { Simulator, SimulatorOptions } from '../simulation.ts';
import type { OpcUaPlan } from './plan.ts';
import { serverCertificate } from './simulated-certificate.ts';
import { faultNames } from './simulated-faults.ts';
import { layoutOf } from './simulated-layout.ts';
import type { SimulatedNode } from './simulated-layout.ts';
import { prepareServer } from './simulated-server.ts';
import type { PreparedServer } from './simulated-server.ts';
import { SimulatedSpace } from './simulated-space.ts';

const ofDevice = /^(?:gone|bad:(\w+))$/;
const statuses = StatusCodes as unknown as Readonly<Record<string, StatusCode | undefined>>;

/** Throws RangeError with what there is. */
export function refuseUnknownFault(fault: string): void {
  const [, status] = /^bad:(\w+)$/.exec(fault) ?? [];
  if (status !== undefined && (!Object.hasOwn(statuses, status) || !/^(?:Bad|Uncertain)/.test(status)))
    throw new RangeError(
      `no status "${status}"; allowed: Bad or Uncertain and a name of the standard, e.g. bad:BadSensorFailure`,
    );
  if (status === undefined && !/^(?:silent|late|deaf|gone|refuse|restart|off)$/.test(fault))
    throw new RangeError(`no fault "${fault}"; there are: ${faultNames.join(', ')}`);
}

interface SimulatedDevice {
  /** `gone` or `bad:…`; null: none of its own. */
  fault: string | null;
  requests: number;
  answered: number;
}

/** Serves the points of a plan over OPC UA. */
export async function startSimulator(options: SimulatorOptions<OpcUaPlan>): Promise<Simulator> {
  if (!isLoopback(options.host))
    throw new RangeError(`simulated devices are served on loopback only, not on ${options.host}`);
  const certificate = await serverCertificate(options.folder, options.clock);
  const simulated = new SimulatedPlc(options, certificate);
  try {
    await simulated.open();
  } catch (error) {
    await simulated.close();
    throw error;
  }
  return simulated;
}

type Certificate = Awaited<ReturnType<typeof serverCertificate>>;

class SimulatedPlc implements Simulator {
  readonly #options: SimulatorOptions<OpcUaPlan>;
  readonly #certificate: Certificate;
  readonly #devices: ReadonlyMap<string, SimulatedDevice>;
  readonly #stopped = new AbortController();
  #port: number;
  /** Of the whole server; null: none. */
  #fault: string | null = null;
  #ever = 0;
  /** null: nobody listens. */
  #prepared: PreparedServer | null = null;
  #space: SimulatedSpace | null = null;

  constructor(options: SimulatorOptions<OpcUaPlan>, certificate: Certificate) {
    this.#options = options;
    this.#certificate = certificate;
    this.#port = options.port;
    this.#devices = new Map(options.plan.devices.map(({ id }) => [id, { fault: null, requests: 0, answered: 0 }]));
  }

  get port(): number {
    return this.#port;
  }

  get certificate(): string | undefined {
    const { securityMode, identity } = this.#options.plan;
    const isAsked = securityMode !== 'None' || identity.type === 'userName';
    return isAsked ? this.#certificate.certificateFile : undefined;
  }

  async open(): Promise<void> {
    const { plan, host, seed, clock } = this.#options;
    const prepared = await prepareServer({
      plan,
      host,
      port: this.#port,
      certificate: this.#certificate,
      answer: (name, send) => this.#answer(name, send),
      connected: () => this.#ever++,
    });
    this.#prepared = prepared;
    const { server } = prepared;
    const wallMs = (): number => clock.now().wallMs;
    this.#space = new SimulatedSpace(server, layoutOf(plan, seed), (node) => this.#statusOf(node), wallMs);
    this.#port = await prepared.listen();
    for (const [id, { fault }] of this.#devices) if (fault === 'gone') this.#space.show(id, false);
  }

  async fault(id: string, name: string): Promise<void> {
    const device = this.#devices.get(id);
    if (device === undefined)
      throw new RangeError(`no device "${id}" here; there are: ${[...this.#devices.keys()].join(', ')}`);
    refuseUnknownFault(name);
    const [before, ofAll] = [device.fault, this.#fault];
    device.fault = ofDevice.test(name) ? name : null;
    this.#fault = device.fault !== null || name === 'off' || name === 'restart' ? null : name;
    if ((before === 'gone') !== (name === 'gone')) this.#space?.show(id, name !== 'gone');
    if (name === 'refuse' || name === 'restart') await this.#shut();
    if ((ofAll === 'refuse' && name !== 'refuse') || name === 'restart') await this.open();
  }

  stats(): ReturnType<Simulator['stats']> {
    const now = this.#prepared?.server.currentChannelCount ?? 0;
    const devices = [...this.#devices].map(([id, { fault, requests, answered }]) => [
      id,
      { requests, answered, fault: fault ?? this.#fault ?? 'off' },
    ]);
    return { connections: { now, ever: this.#ever }, devices: Object.fromEntries(devices) as never };
  }

  async close(): Promise<void> {
    this.#stopped.abort(null);
    await this.#shut();
    await this.#certificate.remove();
  }

  async #shut(): Promise<void> {
    const prepared = this.#prepared;
    this.#prepared = null;
    this.#space = null;
    await prepared?.close();
  }

  /** Counts as a question to the device. */
  #statusOf({ device: id }: SimulatedNode): StatusCode {
    const device = this.#devices.get(id);
    const [, status] = /^bad:(\w+)$/.exec(device?.fault ?? '') ?? [];
    if (device !== undefined) {
      device.requests++;
      if (status === undefined) device.answered++;
    }
    return (status === undefined ? undefined : statuses[status]) ?? StatusCodes.Good;
  }

  #answer(name: string, send: () => void): void {
    if (this.#fault === 'silent' || (this.#fault === 'deaf' && name === 'PublishResponse')) return;
    if (this.#fault !== 'late') return send();
    const { clock, plan } = this.#options;
    clock.sleep(1.5 * plan.timeoutMs, this.#stopped.signal).then(send, () => {});
  }
}
