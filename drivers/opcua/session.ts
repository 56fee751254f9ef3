import { LinkError, messageOf } from '../../agent/errors.ts';
import { unanswered } from '../../agent/reading.ts';
import type { Observation, PointInfo } from '../../agent/reading.ts';
import type { DriverHost, PollJob, Session } from '../driver.ts';
import { describe } from './descriptions.ts';
import { elementHints } from './element-hint.ts';
import { AnewError } from './handover.ts';
import type { Left } from './handover.ts';
import { vanished } from './items.ts';
import { isByPath, locate, lookFor } from './locate.ts';
import { keepLookout } from './lookout.ts';
import type { OpcUaPlan, OpcUaPoint } from './plan.ts';
import { expiryRemarks } from './pki/expiry.ts';
import { browseCommand } from './pki/refusal.ts';
import { ReadQueue } from './read-queue.ts';
import type { Found } from './read-queue.ts';
import { ServiceFault } from './service-fault.ts';
import type { StandInRead } from './stand-in.ts';
import { Subscriptions } from './subscriptions.ts';
import { withUnit } from './server-says.ts';
import type { Target, Wire } from './wire.ts';

const dayMs = 86_400_000;
/** So many requests in a row without an answer, and nothing heard in between, and the link is given up. */
const mostSilences = 2;
/** So long a new session waits for units, names and ranges; what comes later holds for the values after it. */
const describeMs = 2_000;
/** So long a new session waits until the one before has kept what it had received. */
const leaveMs = 2_000;

export class OpcUaSession implements Session {
  readonly ended: Promise<Error | undefined>;
  readonly #end = Promise.withResolvers<Error | undefined>();
  readonly #wire: Wire;
  readonly #host: DriverHost;
  readonly #targets: Map<OpcUaPoint, Target | null>;
  readonly #found: ReadonlyMap<string, Map<string, Found>>;
  /** Polled points whose nodes were not there. */
  readonly #vanished = new Set<OpcUaPoint>();
  readonly #stopping = new AbortController();
  /** Points as the server completes them. */
  #described: ReadonlyMap<OpcUaPoint, OpcUaPoint> = new Map();
  /** Made once: naming a descriptor takes a hash. */
  readonly #infos = new WeakMap<PointInfo, PointInfo>();
  readonly #reads: ReadQueue;
  readonly #subscriptions: Subscriptions;
  #hasHinted = false;
  /** Before that what is not watched is on its way to be. */
  #isSetUp = false;
  #silences = 0;
  /** Whether the next session may claim its subscriptions. */
  #keeps = false;
  #endedBootMs = 0;

  private constructor(plan: OpcUaPlan, wire: Wire, host: DriverHost, targets: ReadonlyMap<OpcUaPoint, Target | null>) {
    this.#wire = wire;
    this.#host = host;
    this.#targets = new Map(targets);
    this.#found = new Map(
      plan.devices.map(({ id, points }) => [
        id,
        new Map(points.map((point) => [point.info.point, { point, target: targets.get(point) ?? null }])),
      ]),
    );
    const complete = (point: OpcUaPoint): OpcUaPoint => this.#described.get(point) ?? point;
    const heard = (): void => void (this.#silences = 0);
    const silent = (): void => {
      if (++this.#silences >= mostSilences)
        this.#fail(new LinkError(`${plan.endpoint}: no answer to ${mostSilences} requests, nothing heard in between`));
    };
    const failed = (error: Error): void => this.#fail(error);
    this.#reads = new ReadQueue({ wire, host, timeoutMs: plan.timeoutMs, complete, heard, silent });
    const read: StandInRead = (found, dueMs, until) => this.#reads.read(found, dueMs, until);
    this.#subscriptions = new Subscriptions({ connection: plan.connection, wire, host, complete, read, heard, failed });
    this.ended = this.#end.promise;
    void wire.ended.then((error) => this.#finish(error));
    const recheck = (): Promise<void> => this.#recheck();
    const { timeoutMs } = plan;
    void keepLookout({ wire, host, timeoutMs, heard, silent, recheck, failed }, this.#stopping.signal);
  }

  /** Finds the points, asks what the server says of them, and sets up what it is to send by itself. Rejects with LinkError. */
  static async start(
    plan: OpcUaPlan,
    wire: Wire,
    host: DriverHost,
    before: OpcUaSession | null = null,
  ): Promise<OpcUaSession> {
    let session: OpcUaSession | null = null;
    try {
      const points = plan.devices.flatMap((device) => device.points);
      const browse = browseCommand(plan.connection, host.home?.file);
      const targets = await locate(points, wire, browse, (message) => host.log?.(message));
      session = new OpcUaSession(plan, wire, host, targets);
      await session.#describe(targets);
      const subscribed = [...session.#found.values()]
        .flatMap((ofDevice) => [...ofDevice.values()])
        .flatMap((found) =>
          found.point.subscribed === null ? [] : [{ ...found, subscribed: found.point.subscribed }],
        );
      await session.#subscriptions.start(subscribed, (await before?.left()) ?? null);
      session.#isSetUp = true;
      session.#tellElements(session.#subscriptions.vanished());
      void session.#warn(plan.connection);
      return session;
    } catch (error) {
      await (session ?? wire).close();
      if (error instanceof LinkError) throw error;
      throw new LinkError(`${plan.endpoint}: ${messageOf(error)}`, { cause: error });
    }
  }

  async poll({ device, points, dueMs }: PollJob, signal: AbortSignal): Promise<Observation[]> {
    const known = this.#found.get(device);
    const found = points.flatMap((info) => known?.get(info.point) ?? []);
    const seen = await this.#reads.read(found, dueMs, signal);
    for (const [at, { point }] of found.entries()) if (vanished.test(seen[at]?.status ?? '')) this.#vanished.add(point);
    this.#tellElements(this.#vanished);
    let next = 0;
    // With what was asked as the point: a reload may have given it another description.
    return points.map((info) => {
      const observation = known?.has(info.point) === true ? seen[next++] : undefined;
      return observation === undefined
        ? unanswered(info, 'BadConfigurationError', this.#host.clock.now())
        : { ...observation, point: this.#infoOf(info, observation.point.unit) };
    });
  }

  /** Once a session. */
  #tellElements(gone: Iterable<OpcUaPoint>): void {
    const hints = this.#hasHinted ? null : elementHints([...gone]);
    if (hints === null) return;
    this.#hasHinted = true;
    this.#host.log?.(hints);
  }

  #infoOf(info: PointInfo, unit: string | null): PointInfo {
    const known = this.#infos.get(info);
    if (known?.unit === unit) return known;
    const made = withUnit(info, unit);
    this.#infos.set(info, made);
    return made;
  }

  remarks(): readonly string[] {
    return expiryRemarks(this.#wire.inUse, this.#host.clock.now().wallMs, this.#host.home?.file);
  }

  /** What the session after this one may claim of it. null: nothing is of use, or it is not known what of it was kept. */
  async left(): Promise<Left | null> {
    const { clock } = this.#host;
    const waited = new AbortController();
    const late = clock.sleep(leaveMs, waited.signal).then(
      () => null,
      () => null,
    );
    const left = await Promise.race([this.#subscriptions.left(this.#wire.openedAt, this.#endedBootMs), late]);
    waited.abort(null);
    return left === null || this.#keeps ? left : { ...left, subscriptions: [] };
  }

  async close(): Promise<void> {
    this.#finish(undefined);
    await this.#wire.close(this.#keeps);
  }

  /** What a browse path did not find, or does not find any more, may be there by now, as another node. */
  async #recheck(): Promise<void> {
    if (!this.#isSetUp) return;
    const gone = new Set([...this.#subscriptions.vanished(), ...this.#vanished]);
    this.#vanished.clear();
    const lost = [...this.#targets].filter(
      ([point, target]) => isByPath(point) && (target === null || gone.has(point)),
    );
    const moved = await this.#moved(lost);
    for (const [point, target] of moved) {
      this.#targets.set(point, target);
      this.#found.get(point.info.device)?.set(point.info.point, { point, target });
    }
    if (moved.size > 0) await this.#describe(moved);
    await this.#subscriptions.recheck(moved);
  }

  async #moved(lost: readonly (readonly [OpcUaPoint, Target | null])[]): Promise<ReadonlyMap<OpcUaPoint, Target>> {
    try {
      const found = await lookFor(
        lost.map(([point]) => point),
        this.#wire,
        (message) => this.#host.log?.(message),
      );
      return new Map(
        lost.flatMap(([point, before]) => {
          const target = found.get(point) ?? null;
          return target === null || target.nodeId === before?.nodeId ? [] : [[point, target]];
        }),
      );
    } catch (error) {
      if (error instanceof ServiceFault) return new Map();
      throw error;
    }
  }

  /** Resolves at the latest after `describeMs`. Values are right without it. */
  async #describe(targets: ReadonlyMap<OpcUaPoint, Target | null>): Promise<void> {
    const known = (async () => {
      try {
        const described = await describe(targets, this.#wire, this.#stopping.signal);
        this.#described = new Map([...this.#described, ...described]);
        this.#host.described?.(
          [...this.#targets].flatMap(([point, target]) => {
            const { device, point: name, unit } = (this.#described.get(point) ?? point).info;
            return target === null ? [] : [{ device, point: name, unit }];
          }),
        );
      } catch (error) {
        if (!this.#stopping.signal.aborted && !(error instanceof LinkError))
          this.#host.log?.(`the server does not say units, names and ranges: ${messageOf(error)}`);
      }
    })();
    const waited = new AbortController();
    await Promise.race([known, this.#host.clock.sleep(describeMs, waited.signal)]);
    waited.abort(null);
  }

  /** Into the log once a day, as long as it is true. */
  async #warn(connection: string): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      for (const remark of this.remarks()) this.#host.log?.(`Connection ${connection}: ${remark}`);
      await this.#host.clock.sleep(dayMs, signal).catch(() => {});
    }
  }

  #fail(error: Error): void {
    this.#finish(error);
    void this.#wire.close(this.#keeps);
  }

  #finish(error: Error | undefined): void {
    if (!this.#stopping.signal.aborted) {
      this.#keeps = error !== undefined && !(error instanceof AnewError);
      this.#endedBootMs = this.#host.clock.now().bootMs;
    }
    this.#stopping.abort(null);
    this.#subscriptions.stop();
    this.#end.resolve(error);
  }
}
