import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runGateway } from '../support/gateway-run.ts';
import type { GatewayFigures } from '../support/gateway-run.ts';

const main = join(import.meta.dirname, '../../agent/main.ts');

/** The figure of `npm run bench -- gateway`, with shorter times; how evenly units are asked is measured there alone. */
test('behind a gateway that serves one request at a time the living deliver what they did, whatever the dead cost', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-dead-units-'));
  const run = (dead: number): Promise<GatewayFigures> =>
    runGateway({ dir, sluice: [main], units: 100, dead, settleMs: 30_000, measuredMs: 60_000 });
  const share = ({ delivered, slots }: GatewayFigures): number => delivered / slots;
  try {
    const [healthy, one, three] = await Promise.all([run(0), run(1), run(3)]);
    const seen = [share(one) / share(healthy), share(three) / share(healthy), one.latestMs, three.latestMs];
    console.log(
      `gateway: ${share(healthy)} delivered in health; with 1 and 3 dead of that, and the latest ms: ${seen.join(' ')}`,
    );
    expect(share(healthy)).toBeGreaterThanOrEqual(0.995);
    expect(share(one)).toBeGreaterThanOrEqual(0.99 * share(healthy));
    expect(share(three)).toBeGreaterThanOrEqual(0.98 * share(healthy));
    // Nobody waits for two timeouts; how late a slot is within that depends on the machine, and the bench tells.
    for (const { latestMs } of [one, three]) expect(latestMs).toBeLessThan(2000);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}, 180_000);
