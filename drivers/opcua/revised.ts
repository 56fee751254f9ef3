import type { Subscribed } from './plan.ts';
import { patienceMs } from './silence.ts';
import type { CreatedItem, CreatedSubscription } from './wire.ts';

export interface Revised {
  readonly device: string;
  readonly point: string;
  readonly asked: Subscribed;
  readonly given: Pick<CreatedItem, 'samplingMs' | 'queueSize'>;
}

/** What the server gives other than what the file asks for, where that costs values or time; a line for a person, or none. `askedMs`: the publishing interval. */
export function revisedText(
  askedMs: number,
  { publishingMs, alive }: Pick<CreatedSubscription, 'publishingMs' | 'alive'>,
  items: readonly Revised[],
): string | null {
  const said: string[] = [];
  if (publishingMs > askedMs) said.push(`it publishes every ${publishingMs} ms instead of ${askedMs} ms`);
  if (alive.givenMs > Math.max(alive.askedMs, patienceMs))
    said.push(
      `a subscription without news says that it lives every ${alive.givenMs} ms instead of ${alive.askedMs} ms, so the server is asked each minute`,
    );
  const slow = items.filter((item) => item.given.samplingMs > item.asked.samplingMs);
  if (slow[0])
    said.push(`${some(slow)} sampled every ${slow[0].given.samplingMs} ms instead of ${slow[0].asked.samplingMs} ms`);
  const short = items.filter((item) => item.given.queueSize < item.asked.queueSize);
  if (short[0])
    said.push(`${some(short)} kept for ${short[0].given.queueSize} values instead of ${short[0].asked.queueSize}`);
  return said.length === 0 ? null : `the server gives less than was asked: ${said.join('; ')}`;
}

function some(items: readonly Revised[]): string {
  const [first] = items;
  const more = items.length - 1;
  const name = `${first?.device}.${first?.point}`;
  return more === 0 ? `${name} is` : `${name} and ${more} more are`;
}
