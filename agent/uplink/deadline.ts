import { UplinkError } from '../errors.ts';

/** What `work` gives; or, when it takes longer than `ms` or `signal` fires, an UplinkError to retry. The work itself goes on unheard. */
export async function within<T>(ms: number, signal: AbortSignal, doing: string, work: () => Promise<T>): Promise<T> {
  if (signal.aborted) throw givenUp(doing);
  let stop: (() => void) | undefined;
  const limit = new Promise<never>((_, reject) => {
    const late = setTimeout(
      () => reject(new UplinkError('retry', 'DEADLINE', `${doing}: no answer within ${ms} ms`)),
      ms,
    );
    const abort = (): void => reject(givenUp(doing));
    signal.addEventListener('abort', abort, { once: true });
    stop = () => {
      clearTimeout(late);
      signal.removeEventListener('abort', abort);
    };
  });
  try {
    return await Promise.race([work(), limit]);
  } finally {
    stop?.();
  }
}

function givenUp(doing: string): UplinkError {
  return new UplinkError('retry', 'ABORTED', `${doing}: given up because we are stopping`);
}
