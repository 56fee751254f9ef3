import type { GatewayStatus } from './facts.ts';

/** A commit takes milliseconds, on a poor card seconds. */
const slowCommitMs = 10_000;

/** What a person must look at now, a sentence each; empty: nothing. Readings are being lost, or will be. */
export function ailments(status: GatewayStatus): string[] {
  const { buffer, uplink } = status;
  const found: string[] = [];
  if (buffer.full) found.push(`the buffer is full (${buffer.bytes} of ${buffer.maxBytes} bytes): readings are refused`);
  if (buffer.committingForMs > slowCommitMs)
    found.push(
      `the disk has taken nothing for ${Math.round(buffer.committingForMs / 1000)} s: readings wait in memory`,
    );
  for (const [lane, { phase, lastError }] of Object.entries(uplink)) {
    if (phase === 'stalled') found.push(`${lane}: the topic refuses everything (${lastError?.code ?? 'unknown'})`);
    else if (lastError?.fate === 'operator') found.push(`${lane}: ${lastError.message}`);
  }
  return found;
}
