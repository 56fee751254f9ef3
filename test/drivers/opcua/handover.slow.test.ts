import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../agent/config/grammar.ts';
import { PushedPoints } from '../../../agent/poller/pushed.ts';
import type { Observation } from '../../../agent/reading.ts';
import { startSupervisor } from '../../../agent/supervisor.ts';
import { driver } from '../../../drivers/opcua/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { Plant, makers } from './plant.ts';
import { Listener, planOf, pointsOf, until } from './support.ts';

const points = {
  ticks: { nodeId: 'nsu=urn:site:plc;s=Ticks', every: 20, queueSize: 1_000 },
  still: { nodeId: 'nsu=urn:site:plc;s=T.Double', every: 1_000 },
};

/** What the poller makes of what comes: a value that is said once more is none. */
class Site extends Listener {
  readonly written: Observation[] = [];
  pushed = new PushedPoints([], this.clock.now());

  override push(seen: readonly Observation[]): Promise<void> {
    this.written.push(...this.pushed.took(seen, this.clock.now()));
    return Promise.resolve();
  }

  look(isConnected: boolean): void {
    this.written.push(...this.pushed.look(this.clock.now(), isConnected).write);
  }

  override of(name: string): Observation[] {
    return this.written.filter(({ point }) => point.point === name);
  }

  /** Values, and statuses that are not Good. */
  words(name: string): (number | string | null)[] {
    return this.of(name).map(({ value, status }) => (status === 'Good' ? value : status));
  }
}

/** A cut of `awayMs`, with values that change before, meanwhile and after it. */
async function throughACut(
  maker: Plant['maker'],
  awayMs: number,
  user = {},
): Promise<{ site: Site; logged: string[] }> {
  const plant = await Plant.start(maker);
  const proxy = await startProxy(() => plant.port);
  const plan = planOf(proxy.port, [{ id: 'PLC', points }], {}, { publishingInterval: 200, ...user });
  const site = new Site();
  site.pushed = new PushedPoints(pointsOf(plan, 'PLC'), site.clock.now());
  const logged: string[] = [];
  const supervisor = startSupervisor({
    connection: 'plc',
    load: () => Promise.resolve(driver),
    plan,
    host: site,
    clock: site.clock,
    log: (_, message) => logged.push(message),
    random: () => 0,
  });
  try {
    await until(() => site.of('ticks').length > 20 && site.of('still').length === 1, 20_000);
    // A session that ends sooner was none.
    await sleep(2_000);
    site.look(true);
    proxy.freeze();
    proxy.cut();
    for (const _ of Array.from({ length: awayMs / 100 })) {
      await sleep(100);
      site.look(false);
    }
    const before = site.of('ticks').length;
    proxy.thaw();
    await until(() => site.of('ticks').length > before + awayMs / 100 + 20, 30_000);
    site.look(true);
    await sleep(500);
    return { site, logged: [...logged, ...site.said] };
  } finally {
    await supervisor.close();
    await proxy.close();
    await plant.end();
  }
}

const numbersOf = (said: readonly unknown[]): number[] => said.filter((one) => typeof one === 'number');
/** Where a number does not follow the one before. */
const jumps = (numbers: readonly number[]): number =>
  numbers.slice(1).filter((one, at) => one !== (numbers[at] ?? 0) + 1).length;

const reader = { username: 'reader', password: new Secret('any'), allowUnencryptedPassword: true };
// asyncua hands them on as well, and then sends what they say to the session that is gone.
const handingOn = makers.filter(([maker]) => maker !== 'asyncua');
describe.each(handingOn)('after a cut of the network, subscriptions that %s hands on', (maker, missing) => {
  it.skipIf(missing !== undefined)(
    `bring what changed meanwhile, each value once, in order and with its time ${missing ?? ''}`,
    async () => {
      const { site } = await throughACut(maker, 3_000, maker === 'milo' ? reader : {});
      const said = site.words('ticks');
      expect(jumps(numbersOf(said))).toBe(0);
      expect(said.filter((one) => typeof one === 'string')).toEqual(['BadNotConnected']);
      const times = site
        .of('ticks')
        .flatMap(({ deviceTimeMs, status }) => (status === 'Good' ? (deviceTimeMs ?? 0) : []));
      const steps = times.slice(1).map((time, at) => time - (times[at] ?? 0));
      expect(Math.min(...steps)).toBeGreaterThan(0);
      expect(Math.max(...steps)).toBeLessThan(1_000);
      // It was told as not connected, so it is told once more; without that it is not.
      expect(site.words('still')).toEqual([0.1, 'BadNotConnected', 0.1]);
    },
    60_000,
  );
});

describe.each(makers)('after a cut of the network, subscriptions of %s', (maker, missing) => {
  it.skipIf(missing !== undefined)(
    `that the server does not hand on are made anew, and what changed meanwhile is a gap ${missing ?? ''}`,
    async () => {
      // Nobody says who he is: only one server of the three hands subscriptions on then, because it was told to.
      const { site, logged } = await throughACut(maker, 800);
      const said = site.words('ticks');
      const gap = said.indexOf('BadDataLost');
      const numbers = numbersOf(said);
      if (maker === 'node-opcua') expect([gap, jumps(numbers)]).toEqual([-1, 0]);
      else {
        expect(said.filter((one) => typeof one === 'string')).toEqual(['BadDataLost']);
        expect([jumps(numbers.slice(0, gap)), jumps(numbers.slice(gap)), jumps(numbers)]).toEqual([0, 0, 1]);
        expect(logged.join('\n')).toMatch(/does not hand subscriptions on|handed a subscription on, and sends nothing/);
      }
      expect(site.words('still')).toEqual([0.1]);
    },
    60_000,
  );
});
