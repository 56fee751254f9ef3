import { LinkError, messageOf } from '../../agent/errors.ts';
import { unanswered } from '../../agent/reading.ts';
import type { Observation } from '../../agent/reading.ts';
import type { DriverHost, PollJob, Session } from '../driver.ts';
import { resolveNodeId } from './node-id.ts';
import type { OpcUaPlan, OpcUaPoint } from './plan.ts';
import { ReadQueue } from './read-queue.ts';
import type { Found } from './read-queue.ts';
import { Subscriptions } from './subscriptions.ts';
import type { Wire } from './wire.ts';

/** So many requests in a row without an answer, and nothing heard in between, and the link is given up. */
const mostSilences = 2;

export class OpcUaSession implements Session {
  readonly ended: Promise<Error | undefined>;
  readonly #end = Promise.withResolvers<Error | undefined>();
  readonly #wire: Wire;
  readonly #host: DriverHost;
  readonly #found: ReadonlyMap<string, ReadonlyMap<string, Found>>;
  readonly #reads: ReadQueue;
  readonly #subscriptions: Subscriptions;
  #silences = 0;

  private constructor(plan: OpcUaPlan, wire: Wire, host: DriverHost) {
    this.#wire = wire;
    this.#host = host;
    this.#found = new Map(
      plan.devices.map(({ id, points }) => [
        id,
        new Map(points.map((point) => [point.info.point, { point, target: targetOf(point, wire.namespaces) }])),
      ]),
    );
    const heard = (): void => void (this.#silences = 0);
    const silent = (): void => {
      if (++this.#silences >= mostSilences)
        this.#fail(new LinkError(`${plan.endpoint}: no answer to ${mostSilences} requests, nothing heard in between`));
    };
    this.#reads = new ReadQueue({ wire, host, timeoutMs: plan.timeoutMs, heard, silent });
    this.#subscriptions = new Subscriptions({ wire, host, heard, failed: (error) => this.#fail(error) });
    this.ended = this.#end.promise;
    void wire.ended.then((error) => this.#end.resolve(error));
  }

  /** Sets up what the server is to send by itself. */
  static async start(plan: OpcUaPlan, wire: Wire, host: DriverHost): Promise<OpcUaSession> {
    const session = new OpcUaSession(plan, wire, host);
    const subscribed = [...session.#found.values()]
      .flatMap((points) => [...points.values()])
      .flatMap((found) => (found.point.subscribed === null ? [] : [{ ...found, subscribed: found.point.subscribed }]));
    try {
      await session.#subscriptions.start(subscribed);
      return session;
    } catch (error) {
      await session.close();
      if (error instanceof LinkError) throw error;
      throw new LinkError(`${plan.endpoint}: ${messageOf(error)}`, { cause: error });
    }
  }

  async poll({ device, points, dueMs }: PollJob, signal: AbortSignal): Promise<Observation[]> {
    const known = this.#found.get(device);
    const found = points.flatMap((info) => known?.get(info.point) ?? []);
    const seen = await this.#reads.read(found, dueMs, signal);
    const byName = new Map(seen.map((observation) => [observation.point.point, observation]));
    // With what was asked as the point: a reload may have given it another description.
    return points.map((info) => {
      const observation = byName.get(info.point);
      return observation === undefined
        ? unanswered(info, 'BadConfigurationError', this.#host.clock.now())
        : { ...observation, point: info };
    });
  }

  async close(): Promise<void> {
    this.#end.resolve(undefined);
    this.#subscriptions.stop();
    await this.#wire.close();
  }

  #fail(error: Error): void {
    this.#end.resolve(error);
    this.#subscriptions.stop();
    void this.#wire.close();
  }
}

function targetOf({ node }: OpcUaPoint, namespaces: readonly string[]): Found['target'] {
  if (!('nodeId' in node)) return null;
  const nodeId = resolveNodeId(node.nodeId, namespaces);
  return nodeId === null ? null : { nodeId };
}
