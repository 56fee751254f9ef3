import { runGateway } from '../support/gateway-run.ts';
import type { GatewayFigures } from '../support/gateway-run.ts';
import { quantile, rounded } from './numbers.ts';
import { builtSluice } from './site.ts';
import type { BenchOptions } from './site.ts';

const units = 100;
const settleMs = 60_000;
const measuredMs = 120_000;

/** 100 units behind a gateway that serves one request at a time, none, one and three of them dead: what the living deliver, and how evenly they are asked. */
export async function benchGateway({ dir, nodeOptions }: BenchOptions): Promise<object> {
  const sluice = [...nodeOptions, ...builtSluice()];
  const run = (dead: number): Promise<GatewayFigures> => runGateway({ dir, sluice, units, dead, settleMs, measuredMs });
  const healthy = await run(0);
  const all = shareOf(healthy);
  const figures: Record<string, object> = { dead0: told(healthy, all) };
  for (const dead of [1, 3]) figures[`dead${dead}`] = told(await run(dead), all);
  return figures;
}

const shareOf = ({ delivered, slots }: GatewayFigures): number => delivered / slots;

function told(figures: GatewayFigures, healthyShare: number): Record<string, number> {
  const { delivered, slots, latestMs, offMs, inVain } = figures;
  return {
    delivered,
    slots,
    deliveredPercentOfHealthy: (100 * shareOf(figures)) / healthyShare,
    latestMs,
    intervalP50OffMs: rounded(quantile(offMs, 0.5)),
    intervalP95OffMs: rounded(quantile(offMs, 0.95)),
    intervalP99OffMs: rounded(quantile(offMs, 0.99)),
    requestsToTheDead: inVain,
  };
}
