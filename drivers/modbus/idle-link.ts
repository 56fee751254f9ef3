import { LinkError } from '../../agent/errors.ts';
import type { Request } from './codec.ts';
import type { Link, Outcome } from './link.ts';

/** A link that is given back while nobody asks, for gateways that allow few clients: opened again by the next request. Lost when that fails. */
export class IdleLink implements Link {
  readonly ended: Promise<Error | undefined>;
  readonly #open: (signal: AbortSignal) => Promise<Link>;
  readonly #end: (error: Error | undefined) => void;
  readonly #ending = new AbortController();
  #inner: Link | undefined;
  /** While it is being opened: several may ask at once. */
  #opening: Promise<Link> | undefined;
  #closing: Promise<unknown> = Promise.resolve();
  #heardBefore = 0;
  #lost: Error | undefined;

  constructor(first: Link, open: (signal: AbortSignal) => Promise<Link>) {
    this.#open = open;
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.ended = promise;
    this.#end = resolve;
    this.#adopt(first);
  }

  get bytesHeard(): number {
    return this.#heardBefore + (this.#inner?.bytesHeard ?? 0);
  }

  get isOpen(): boolean {
    return this.#lost === undefined && (this.#inner?.isOpen ?? true);
  }

  get canBeHalfOpen(): boolean {
    return this.#inner?.canBeHalfOpen ?? false;
  }

  async request(request: Request, timeoutMs: number): Promise<Outcome> {
    if (this.#lost !== undefined) throw this.#lost;
    const inner = this.#inner ?? (await (this.#opening ??= this.#reopened()));
    return inner.request(request, timeoutMs);
  }

  idle(): void {
    const inner = this.#inner;
    if (inner === undefined) return;
    this.#heardBefore += inner.bytesHeard;
    this.#inner = undefined;
    this.#closing = inner.ended;
    inner.close();
  }

  lose(reason: string): void {
    if (this.#inner === undefined) void this.#finish(new LinkError(reason), true);
    else this.#inner.lose(reason);
  }

  close(): void {
    void this.#finish(new LinkError('the connection was closed'), false);
  }

  async #reopened(): Promise<Link> {
    // A line is free for another owner only then.
    await this.#closing;
    try {
      const inner = await this.#open(this.#ending.signal);
      if (this.#lost === undefined) this.#adopt(inner);
      else inner.close();
      return inner;
    } catch (error) {
      void this.#finish(error as Error, true);
      throw error;
    } finally {
      this.#opening = undefined;
    }
  }

  #adopt(inner: Link): void {
    this.#inner = inner;
    void this.#watch(inner);
  }

  async #watch(inner: Link): Promise<void> {
    const error = await inner.ended;
    if (this.#inner === inner && error !== undefined) await this.#finish(error, true);
  }

  async #finish(error: Error, told: boolean): Promise<void> {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    this.#ending.abort(error);
    this.#inner?.close();
    await (this.#inner?.ended ?? this.#closing);
    this.#end(told ? error : undefined);
  }
}
