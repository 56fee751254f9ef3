import { expect } from 'vitest';
import { acceptedIds, judge } from './checker.ts';
import type { FileSite } from './file-site.ts';
import { inOrder, stopped } from './stopping.ts';

/** Everything that was accepted arrives by the next start, which finds the buffer as an orderly end leaves it, as all before it did. */
export async function nextStartDelivers(site: FileSite, before: 'clean' | 'unclean' = 'clean'): Promise<void> {
  const polls = (): number => site.meters.polls(1);
  const seen = polls();
  site.daemon.start();
  await expect.poll(polls, { timeout: 15_000 }).toBeGreaterThan(seen + 5);
  expect(await stopped(site.daemon)).toEqual(inOrder);
  const delivered = site.delivered();
  const verdict = judge(acceptedIds(site.daemon.tap(), 'ps-12'), delivered);
  expect(verdict).toMatchObject({ lost: [], altered: [], disordered: [] });
  const found = delivered
    .map(({ value }) => JSON.parse(value) as { event?: string; facts?: { before: string } })
    .flatMap(({ event, facts }) => (event === 'start' && facts ? [facts.before] : []));
  expect(found.at(-1)).toBe(before);
  expect(found.slice(0, -1)).not.toContain('unclean');
}
