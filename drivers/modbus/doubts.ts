import { dataBytes } from './codec.ts';
import { mostRegisters } from './protocol.ts';
import type { ReadRequest, UnitPdu } from './codec.ts';

/** So many timeouts of silence end a doubt: what has not come by then does not come. */
const silences = 10;

interface Unanswered {
  readonly request: ReadRequest;
  readonly untilMs: number;
}

/**
 * Requests that stayed unanswered, by unit. On a line without transaction ids a late answer looks like the answer to the next request of the same unit,
 * function and length. So before such a request the unit is asked for another number of registers: its answer, which comes after anything late, ends the doubt.
 * The very same request may be asked again: whichever answer comes, it answers it; but then the other one may still come. Monotonic ms.
 */
export class Doubts {
  readonly #units = new Map<number, Unanswered[]>();

  unanswered(request: ReadRequest, nowMs: number, timeoutMs: number): void {
    const others = this.#open(request.unitId, nowMs).filter((one) => !isSame(one.request, request));
    this.#units.set(request.unitId, [...others, { request, untilMs: nowMs + silences * timeoutMs }]);
  }

  /** Data came that answers this request. A device answers in the order of the questions, so nothing late follows, if this was nothing late. */
  answered(request: ReadRequest, nowMs: number): void {
    if (!this.#open(request.unitId, nowMs).some((one) => looksAlike(one.request, request)))
      this.#units.delete(request.unitId);
  }

  clear(): void {
    this.#units.clear();
  }

  /** Whether this frame, which does not answer the request that waits, may answer one that was given up. */
  mayBeLate({ unitId, pdu }: UnitPdu): boolean {
    const isException = (pdu.readUInt8(0) & 0x80) !== 0;
    return (this.#units.get(unitId) ?? []).some(({ request }) => isException || pdu.length === 2 + dataBytes(request));
  }

  /** What must be asked, and answered, before this request may be; undefined: nothing. */
  questionBefore(request: ReadRequest, nowMs: number): ReadRequest | undefined {
    const open = this.#open(request.unitId, nowMs);
    if (!open.some((one) => looksAlike(one.request, request) && !isSame(one.request, request))) return undefined;
    for (let count = 1; count <= mostRegisters; count++) {
      const other = { ...request, count };
      if (!open.some((one) => looksAlike(one.request, other))) return other;
    }
    return undefined;
  }

  #open(unitId: number, nowMs: number): Unanswered[] {
    return (this.#units.get(unitId) ?? []).filter(({ untilMs }) => untilMs > nowMs);
  }
}

/** Answers to the two cannot be told apart. */
function looksAlike(a: ReadRequest, b: ReadRequest): boolean {
  return a.table === b.table && dataBytes(a) === dataBytes(b);
}

function isSame(a: ReadRequest, b: ReadRequest): boolean {
  return a.table === b.table && a.address === b.address && a.count === b.count;
}
