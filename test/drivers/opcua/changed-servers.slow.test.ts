import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Clock } from '../../../agent/clock.ts';
import type { Observation } from '../../../agent/reading.ts';
import type { Session, Settings } from '../../../drivers/driver.ts';
import { driver } from '../../../drivers/opcua/index.ts';
import { Plant, makers } from './plant.ts';
import { Listener, planOf, pointsOf, until } from './support.ts';

const never = new AbortController().signal;
const node = (name: string): Settings => ({ nodeId: `nsu=urn:site:plc;s=${name}` });
const said = (seen: readonly Observation[]) => seen.map(({ value, text, status }) => value ?? text ?? status);

const aMinute = () => new Promise((resolve) => setTimeout(resolve, 1_000));

/** Real time, but what a session does every 20 s it does every 200 ms: a minute is long for a test. */
function hurried(): Clock {
  const { clock } = new Listener();
  return {
    now: clock.now.bind(clock),
    sleep: (ms, signal) => clock.sleep(ms === 20_000 ? ms / 100 : ms, signal),
    sleepUntil: clock.sleepUntil.bind(clock),
  };
}

describe.each(makers)('a server of %s that changes', (maker, missing) => {
  let plant: Plant;
  const sessions: Session[] = [];
  beforeAll(async () => {
    if (missing === undefined) plant = await Plant.start(maker);
  }, 60_000);
  afterAll(async () => {
    await Promise.all(sessions.map((session) => session.close()));
    await plant?.end();
  });

  async function watch(of: Readonly<Record<string, Settings>>) {
    const host = new Listener(hurried());
    const plan = planOf(plant.port, [{ id: 'PLC', points: of }], {}, { publishingInterval: 100 });
    const session = await driver.open(plan, host, never);
    sessions.push(session);
    const poll = async () =>
      said(await session.poll({ device: 'PLC', points: pointsOf(plan, 'PLC'), dueMs: 0 }, never));
    return { host, session, poll };
  }

  it.skipIf(missing !== undefined)(
    `tells once that a node has vanished, and has its values when it is there again ${missing ?? ''}`,
    async () => {
      const { host, session } = await watch({ level: node('Level'), still: node('T.Double') });
      await until(() => host.seen.length === 2);
      plant.tell('Level delete');
      await until(() => host.of('level').length === 2);
      await aMinute();
      plant.tell('Level add');
      await until(() => host.of('level').length === 3);
      plant.tell('Level 2.5');
      await until(() => host.of('level').length === 4);
      await session.close();
      const [vanished] = said(host.of('level')).splice(1, 1);
      expect(said(host.of('level'))).toEqual([1.5, vanished, 1.5, 2.5]);
      // Of a node that is not there node-opcua's server says so.
      expect(['BadNodeIdUnknown', 'BadNodeIdInvalid']).toContain(vanished);
      expect(said(host.of('still'))).toEqual([0.1]);
    },
    30_000,
  );

  it.skipIf(missing !== undefined)(
    `sends what a node says that was made anew with the same type between two looks, and tells the gap ${missing ?? ''}`,
    async () => {
      const { host, session } = await watch({ level: node('Level'), ticks: node('Ticks') });
      const last = () => said(host.of('level')).at(-1);
      await until(() => last() !== undefined);
      const [first] = said(host.of('level'));
      await aMinute();
      plant.tell('Level Double 9.5');
      await until(() => last() === 9.5, 20_000);
      plant.tell('Level 3.25');
      await until(() => last() === 3.25);
      await session.close();
      const [, ...rest] = said(host.of('level'));
      // Who says something when it is deleted needs no gap; milo's has it in its place.
      const between = { asyncua: ['BadDataLost'], milo: [], 'node-opcua': ['BadNodeIdInvalid'] }[maker];
      expect([first, ...rest]).toEqual([first, ...between, 9.5, 3.25]);
      expect(host.said.some((line) => line.includes('sends nothing of PLC.level'))).toBe(maker === 'asyncua');
      plant.tell('Level 1.5');
    },
    60_000,
  );

  it.skipIf(missing !== undefined)(
    `gives a node that became a text, and a number again, as what it is ${missing ?? ''}`,
    async () => {
      const { host, poll, session } = await watch({ level: node('Level'), polled: { ...node('Level'), mode: 'poll' } });
      const last = () => said(host.of('level')).at(-1);
      await until(() => last() !== undefined);
      await aMinute();
      plant.tell('Level String "off"');
      await until(() => last() === 'off');
      expect((await poll())[1]).toBe('off');
      await aMinute();
      plant.tell('Level Int32 7');
      await until(() => last() === 7);
      expect((await poll())[1]).toBe(7);
      await session.close();
      const values = host.of('level').filter(({ quality }) => quality === 'good');
      expect(said(values).slice(1)).toEqual(['off', 7]);
      if (maker !== 'milo') expect(host.said[0]).toBe('PLC level: the node is a String now, it was a Double');
      // Where the node was made anew the server may say so.
      expect(host.of('level').length - values.length).toBeLessThanOrEqual(2);
    },
    30_000,
  );

  it.skipIf(missing !== undefined)(
    `is read by URI though it numbers its namespaces otherwise after a restart ${missing ?? ''}`,
    async () => {
      const { session } = await watch({ level: node('Level') });
      const index = await indexOf();
      await plant.end('SIGKILL');
      await session.ended;
      await plant.start(['-shifted']);
      expect(await indexOf()).toBe(index + 1);
      const byIndex = { nodeId: `ns=${index};s=Level`, mode: 'poll' };
      const { host, poll } = await watch({ level: node('Level'), byIndex });
      await until(() => host.seen.length > 0);
      expect(said(host.seen)).toEqual([1.5]);
      expect((await poll())[1]).toBe('BadNodeIdUnknown');
    },
    30_000,
  );

  /** By which number the server itself calls the plant's namespace. */
  async function indexOf(): Promise<number> {
    const names = Object.fromEntries(
      [0, 1, 2, 3, 4, 5].map((index) => [`n${index}`, { nodeId: 'i=2255', index: [index], mode: 'poll' }]),
    );
    const { poll, session } = await watch(names);
    const uris = await poll();
    await session.close();
    return uris.indexOf('urn:site:plc');
  }
});
