/**
 * The end of a link, for which many wait, each only until its own work is done. A race against one promise that lives as long as the link would keep something of
 * every request that was ever made on it.
 */
export class Ending {
  readonly promise: Promise<Error | undefined>;
  readonly #waiting = new Set<(error: Error) => void>();
  readonly #resolve: (error: Error | undefined) => void;
  readonly #closed: Error;
  #over: Error | null = null;

  /** `closed`: what those hear who wait when it ends because that was wanted. */
  constructor(closed: Error) {
    this.#closed = closed;
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.promise = promise;
    this.#resolve = resolve;
  }

  /** The first one counts. `error` undefined: it was wanted. */
  end(error: Error | undefined): void {
    if (this.#over !== null) return;
    this.#over = error ?? this.#closed;
    this.#resolve(error);
    for (const reject of this.#waiting) reject(this.#over);
    this.#waiting.clear();
  }

  /** What the work gives; rejects with the end if that comes first. */
  async before<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {});
    if (this.#over !== null) throw this.#over;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.add(reject);
    work.then(resolve, reject);
    try {
      return await promise;
    } finally {
      this.#waiting.delete(reject);
    }
  }
}
