import { dataBytes, isRead } from './codec.ts';
import { identifyFunctions, mostRegisters } from './protocol.ts';
import type { ReadRequest, Request, UnitPdu } from './codec.ts';

/**
 * So long after it was given up a request is in doubt no longer. Only what was answered since proves that nothing late will come, and that costs one short request: a serial
 * server that waits longer for dead units than we do gathers a queue, and hands over answers minutes late.
 */
const patienceMs = 3_600_000;

interface Unanswered {
  readonly request: ReadRequest;
  /** When it was asked, among all requests of the line: the first and the newest time of those that may still be answered. */
  readonly first: number;
  readonly newest: number;
  readonly untilMs: number;
}

/**
 * Requests whose answer may still come, by unit, with the order in which they were asked. On a line without transaction ids a late answer looks like the answer
 * to the next request of the same unit, function and length. A device answers in the order of the questions, so an answer that only one request can have leaves
 * nothing late of those before it. Therefore, before a request that a late answer would fit, the unit is asked for another number of registers.
 * The very same request may be asked again: whichever answer comes, it answers it; but then the other one may still come. Monotonic ms.
 */
export class Doubts {
  readonly #units = new Map<number, Unanswered[]>();
  #asked = 0;

  /** The request was given up, or what came may not have been its answer. */
  unanswered(request: Request, nowMs: number): void {
    if (!isRead(request)) return;
    const asked = ++this.#asked;
    const open = this.#open(request.unitId, nowMs);
    const same = open.find((one) => isSame(one.request, request));
    const others = open.filter((one) => one !== same);
    const untilMs = nowMs + patienceMs;
    this.#units.set(request.unitId, [...others, { request, first: same?.first ?? asked, newest: asked, untilMs }]);
  }

  /** Data came that fits this request. */
  answered(request: Request, nowMs: number): void {
    if (!isRead(request)) return;
    this.#settled(request, nowMs, (one) => looksAlike(one.request, request));
  }

  /** An exception came: it tells nothing of what was asked but the table. */
  excepted(request: Request, nowMs: number): void {
    if (!isRead(request)) return;
    this.#settled(request, nowMs, (one) => one.request.table === request.table);
  }

  /** At worst what came was the first answer still to come that fits, and the newest question is still to be answered. */
  #settled(request: ReadRequest, nowMs: number, fits: (one: Unanswered) => boolean): void {
    const open = this.#open(request.unitId, nowMs);
    const fitting = open.filter(fits);
    this.#units.delete(request.unitId);
    if (fitting.length === 0) return;
    const answered = Math.min(...fitting.map(({ first }) => first));
    const left = open.filter(({ newest }) => newest > answered);
    this.#units.set(request.unitId, left);
    this.unanswered(request, nowMs);
  }

  /** Whether this frame, which does not answer the request that waits, may answer one that was given up. */
  mayBeLate({ unitId, pdu }: UnitPdu): boolean {
    const functionCode = pdu.readUInt8(0);
    if (isIdentity(functionCode & 0x7f)) return true;
    const isException = (functionCode & 0x80) !== 0;
    return (this.#units.get(unitId) ?? []).some(({ request }) => isException || pdu.length === 2 + dataBytes(request));
  }

  /** What must be asked, and answered, before this request may be; undefined: nothing. */
  questionBefore(request: Request, nowMs: number): ReadRequest | undefined {
    if (!isRead(request)) return undefined;
    const open = this.#open(request.unitId, nowMs);
    if (!open.some((one) => looksAlike(one.request, request) && !isSame(one.request, request))) return undefined;
    const counts = Array.from({ length: mostRegisters }, (_, index) => (isBits(request) ? index * 8 : index) + 1);
    const others = counts.map((count) => {
      const address = Math.min(request.address, 0x1_0000 - count);
      return { ...request, address, count };
    });
    return others.find((other) => !open.some((one) => looksAlike(one.request, other))) ?? this.#freed(others, open);
  }

  /** Where every length is in doubt (noise, for more than a hundred requests), the one that was not asked for longest is taken to be over. */
  #freed(others: readonly ReadRequest[], open: readonly Unanswered[]): ReadRequest | undefined {
    const newest = (other: ReadRequest): number =>
      Math.max(...open.flatMap((one) => (looksAlike(one.request, other) ? [one.newest] : [])));
    const [oldest] = others.map((other) => ({ other, at: newest(other) })).toSorted((a, b) => a.at - b.at);
    if (oldest === undefined) return undefined;
    const { other } = oldest;
    this.#units.set(
      other.unitId,
      open.filter((one) => !looksAlike(one.request, other)),
    );
    return other;
  }

  #open(unitId: number, nowMs: number): Unanswered[] {
    return (this.#units.get(unitId) ?? []).filter(({ untilMs }) => untilMs > nowMs);
  }
}

/** Who it is can be no answer to a read, whenever it comes. */
function isIdentity(functionCode: number): boolean {
  return Object.values(identifyFunctions).some((each) => each === functionCode);
}

const isBits = ({ table }: ReadRequest): boolean => table === 'coil' || table === 'discrete';

/** Answers to the two cannot be told apart. */
function looksAlike(a: ReadRequest, b: ReadRequest): boolean {
  return a.table === b.table && dataBytes(a) === dataBytes(b);
}

function isSame(a: ReadRequest, b: ReadRequest): boolean {
  return a.table === b.table && a.address === b.address && a.count === b.count;
}
