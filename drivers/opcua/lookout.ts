import { LinkError, messageOf } from '../../agent/errors.ts';
import type { DriverHost } from '../driver.ts';
import { defaults } from './defaults.ts';
import { AnewError } from './handover.ts';
import { ServiceFault } from './service-fault.ts';
import type { ServerNow, Wire } from './wire.ts';

interface Options {
  readonly wire: Wire;
  readonly host: DriverHost;
  readonly timeoutMs: number;
  readonly heard: () => void;
  readonly silent: () => void;
  /** Which nodes have vanished, and which are there again. */
  readonly recheck: () => Promise<void>;
  readonly failed: (error: Error) => void;
}

/** Every so many looks, from the first, the nodes are asked for too: once a minute. */
const recheckEvery = 3;

/**
 * Looks after the server while a session lives: whether it is still the one it was, and still there, which also keeps a session alive that has nothing to
 * ask for longer than the server waits.
 */
export async function keepLookout(options: Options, signal: AbortSignal): Promise<void> {
  const { wire, host, recheck, failed } = options;
  let first: ServerNow | null = null;
  let last: ServerNow | null = null;
  try {
    for (let count = 1; ; count++) {
      await host.clock.sleep(Math.min(defaults.lookMs, wire.keptMs / 3), signal);
      const now = await look(options, signal);
      if (now === null) continue;
      if (now.namespaces.join('\n') !== wire.namespaces.join('\n'))
        throw new AnewError('the namespaces of the server have changed');
      first ??= now;
      // A server whose start moves with every look does not know it.
      if (now.startedMs !== first.startedMs && now.startedMs === last?.startedMs)
        throw new AnewError('the server was started anew');
      last = now;
      if (count % recheckEvery === 1) await recheck();
    }
  } catch (error) {
    if (!signal.aborted) failed(error instanceof LinkError ? error : new LinkError(messageOf(error), { cause: error }));
  }
}

/** null: no answer in time, or none that says anything. */
async function look({ wire, host, timeoutMs, heard, silent }: Options, signal: AbortSignal): Promise<ServerNow | null> {
  const done = new AbortController();
  const late = new AbortController();
  host.clock.sleep(timeoutMs, AbortSignal.any([done.signal, signal])).then(
    () => late.abort(null),
    () => {},
  );
  try {
    const now = await wire.server(late.signal);
    heard();
    return now.namespaces.length === 0 ? null : now;
  } catch (error) {
    if (late.signal.aborted) silent();
    else if (error instanceof ServiceFault) heard();
    else throw error;
    return null;
  } finally {
    done.abort(null);
  }
}
