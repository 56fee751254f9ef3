/** Resolves when the signal fires, or has fired. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Fires `ms` after `signal` has. */
export function firesAfter(ms: number, signal: AbortSignal): AbortSignal {
  const late = new AbortController();
  void aborted(signal).then(() => setTimeout(() => late.abort(new Error(`${ms} ms are over`)), ms).unref());
  return late.signal;
}
