import type { GatewayEvent, Seq } from '../../agent/reading.ts';
import type { MissingEntries } from './missing.ts';
import { streamOf } from '../protocol.ts';
import type { Range } from '../ranges.ts';

/** What is told of damaged segments. */

interface Named {
  readonly name: string;
  readonly epoch: string;
  readonly firstSeq: Seq;
  readonly lastSeq: Seq;
}

/** `where`: a sentence's end, what became of the file. */
export function unreadableEvent(
  { name, firstSeq, writtenEnd }: { name: string; firstSeq: Seq; writtenEnd: Seq | null },
  where: string,
  why: string,
): GatewayEvent {
  return {
    event: 'quarantine',
    severity: 'error',
    message: `Buffer segment ${name} cannot be read and ${where}: ${why}. Keep the file: its readings may be recoverable.`,
    facts: { segment: name, firstSeq, lastSeq: writtenEnd },
  };
}

export function salvagedEvent({ name, firstSeq, lastSeq }: Named, folder: string): GatewayEvent {
  return {
    event: 'quarantine',
    severity: 'error',
    message: `Buffer segment ${name} was damaged. What can be read of it was written anew and is sent; the damaged file lies in ${folder}. A card that damages files should be replaced.`,
    facts: { segment: name, firstSeq, lastSeq },
  };
}

export function missingEvent({ name }: Named, missing: MissingEntries, why: string): GatewayEvent {
  const { lane, count, firstSeq, lastSeq } = missing;
  const stream = lane === null ? null : streamOf(lane);
  return {
    event: 'loss',
    severity: 'error',
    message: `Up to ${count} entries of ${stream ?? 'lanes unknown'}, seq ${firstSeq} to ${lastSeq}, are lost: buffer segment ${name} ${why}. The file is kept in the folder quarantine.`,
    facts: { stream, firstSeq, lastSeq, count, segment: name, reason: `segment ${name} ${why}` },
  };
}

export function openEndEvent({ name, epoch }: Named, firstSeq: Seq): GatewayEvent {
  return {
    event: 'possible-loss',
    severity: 'error',
    message: `Buffer segment ${name} is damaged, and where it ended is not known: entries of seq ${firstSeq} and above of epoch ${epoch} may be lost.`,
    facts: { segment: name, epoch, firstSeq, lastSeq: null },
  };
}

export function removedEvent({ first, last }: Range, folder: string): GatewayEvent {
  const count = last - first + 1;
  return {
    event: 'loss',
    severity: 'error',
    message: `Up to ${count} entries of lanes unknown, seq ${first} to ${last}, are lost: their segment was removed from ${folder}, not by sluice.`,
    facts: { stream: null, firstSeq: first, lastSeq: last, count, reason: 'a segment was removed' },
  };
}

export function lostEvent(lane: number, first: Seq, last: Seq, count: number, why: string): GatewayEvent {
  const stream = streamOf(lane);
  return {
    event: 'loss',
    severity: 'error',
    message: `Up to ${count} entries of ${stream} are lost: ${why}.`,
    facts: { stream, firstSeq: first, lastSeq: last, count, reason: why },
  };
}
