import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { SerialWatch, serialOf } from '../../../agent/screen/identity.ts';
import { atLocalTimes } from '../../../agent/schedule/wall-slots.ts';
import { reading } from '../../support/readings.ts';
import { PollerSite, counter, gauge, minute, second } from '../../support/poller-site.ts';
import { pointInfo } from '../../support/scripted-driver.ts';

const bad = { value: null, quality: 'bad', status: 'BadTimeout' } as const;

test.each([
  ['a text without what pads it', { value: null, text: ' 20-114-7\0\0 ' }, '20-114-7'],
  ['a number as its digits', { value: 20_114_007 }, '20114007'],
  ['a text that a number stands beside', { value: 7, text: '007' }, '007'],
  ['nothing where it is empty', { value: null, text: ' \0' }, null],
  ['nothing where it could not be read', bad, null],
])('a serial number is %s', (_, said, serial) => {
  expect(serialOf(reading(said))).toBe(serial);
});

describe('what a meter says of itself', () => {
  /** `m`: told as another meter, `ok`: told as the configured one again, `>`: told as replaced, `.`: nothing. */
  function run(
    configured: string | null,
    before: string | null,
    says: readonly string[],
  ): [told: string, other: string] {
    const watch = new SerialWatch('EM-1', configured, before);
    const steps = says.map((serial) => {
      const { event, replaced } = watch.see(serial);
      expect(watch.seen).toBe(serial);
      if (event !== null)
        expect(event).toMatchObject({ event: 'serial-mismatch', facts: { configured, seen: serial } });
      const told = replaced !== null ? '>' : event === null ? '.' : event.severity === 'warning' ? 'm' : 'ok';
      return [told, watch.isOther ? '!' : '-'] as const;
    });
    return [steps.map(([told]) => told).join(' '), steps.map(([, other]) => other).join('')];
  }

  test.each<[string, Parameters<typeof run>, ReturnType<typeof run>]>([
    ['is the configured meter', ['A', null, ['A', 'A']], ['. .', '--']],
    ['is another, told once', ['A', null, ['B', 'B', 'B']], ['m . .', '!!!']],
    ['is another and a third one', ['A', null, ['B', 'C']], ['m m', '!!']],
    ['is another until the configured one is back', ['A', null, ['B', 'A', 'A', 'B']], ['m ok . m', '!--!']],
    ['was another in an earlier run already', ['A', 'B', ['B', 'A']], ['m ok', '!-']],
    ['is as configured, whatever it was before', ['B', 'A', ['B']], ['ok', '-']],
    ['is replaced where nothing is configured', [null, null, ['A', 'A', 'B', 'B']], ['. . > .', '----']],
    ['is replaced while nobody looked', [null, 'A', ['B']], ['>', '-']],
  ])('%s', (_, given, told) => {
    expect(run(...given)).toEqual(told);
  });

  test('is compared without the spaces that pad what is configured', () => {
    expect(new SerialWatch('EM-1', ' A ', 'A').isOther).toBe(false);
  });

  test('is in doubt exactly while it differs from what is configured', () => {
    const serial = fc.constantFrom('A', 'B', 'C');
    fc.assert(
      fc.property(
        fc.option(serial),
        fc.option(serial),
        fc.array(serial, { minLength: 1 }),
        (configured, before, says) => {
          const [, other] = run(configured, before, says);
          expect(other).toBe(says.map((one) => (configured !== null && one !== configured ? '!' : '-')).join(''));
        },
      ),
    );
  });
});

describe('a device with a point that tells its serial number', () => {
  const sites: PollerSite[] = [];
  afterEach(async () => {
    await Promise.all(sites.splice(0).map((each) => each.stop()));
  });

  const meter = { counter: { modulus: null, maxRate: null, decreases: false } };
  const daily = atLocalTimes(24 * 60 * minute, { timezone: 'UTC', atMs: 0 });
  const points = (serial: string | null): ConstructorParameters<typeof PollerSite>[0] => {
    const energy = counter('energy');
    const said = { info: { ...pointInfo('said', 'gauge'), serial }, schedule: daily, withinMs: 0, identity: 'serial' };
    return [{ ...energy, info: { ...energy.info, serial }, ...meter }, gauge('power', minute), said];
  };
  async function site(
    serial: string | null,
    first: Record<string, number | string>,
    before?: string,
  ): Promise<PollerSite> {
    const made = new PollerSite(points(serial));
    sites.push(made);
    made.serial = before;
    made.driver.answer = () => first;
    return made.start();
  }
  const marks = (s: PollerSite, point: string): string[] =>
    s.readings.filter((each) => each.point.point === point).map(({ value, quality }) => `${value} ${quality}`);

  test('that is another than the configured one sends everything as uncertain, with its numbers, from the first reading on', async () => {
    const s = await site('111', { energy: 100, power: 5, said: 222 });
    await s.clock.advance(2 * minute);
    expect(marks(s, 'energy')).toEqual(['100 uncertain']);
    expect(marks(s, 'power')).toEqual(['5 uncertain', '5 uncertain', '5 uncertain']);
    expect(marks(s, 'said')).toEqual(['222 good']);
    expect(s.readings.find(({ quality }) => quality === 'uncertain')?.status).toBe('UncertainSensorNotAccurate');
    expect(s.events).toMatchObject([{ event: 'serial-mismatch', facts: { configured: '111', seen: '222' } }]);
    expect(s.serial).toBe('222');
  });

  test('is asked daily, and good again when the configured meter is back', async () => {
    const s = await site('111', { energy: 100, power: 5, said: 222 });
    await s.clock.advance(10 * 60 * minute);
    s.driver.answer = () => ({ energy: 90, power: 6, said: 111 });
    await s.clock.advance(61 * minute);
    expect(s.polls().filter((poll) => poll.includes('said'))).toEqual([
      '13:00:00 energy power said',
      '00:00:00 energy power said',
    ]);
    expect(s.readings.at(-1)).toMatchObject({ value: 6, quality: 'good' });
    expect(s.events.map(({ event, severity }) => [event, severity])).toEqual([
      ['serial-mismatch', 'warning'],
      ['serial-mismatch', 'info'],
    ]);
  });

  test('is asked on each new session, before its first readings are kept', async () => {
    const s = await site('111', { energy: 100, power: 5, said: 111 });
    await s.clock.advance(30 * second);
    s.driver.answer = () => ({ energy: 100, power: 7, said: 222 });
    s.driver.dropLink();
    await s.clock.advance(40 * second);
    expect(s.polls()).toEqual(['13:00:00 energy power said', '13:01:00 power', '13:01:00 said']);
    expect(marks(s, 'power')).toEqual(['5 good', '7 uncertain']);
    await s.clock.advance(5 * minute);
    expect(s.polls().filter((poll) => poll.includes('said'))).toHaveLength(2);
  });

  test('is asked when it answers again after it was lost on a link that stayed', async () => {
    const s = await site('111', { energy: 100, power: 5, said: 111 });
    s.driver.answer = () => 'BadTimeout';
    await s.clock.advance(2 * minute);
    s.driver.answer = () => ({ energy: 100, power: 7, said: 222 });
    await s.clock.advance(minute);
    expect(s.polls().filter((poll) => poll.includes('said'))).toEqual(['13:00:00 energy power said', '13:03:00 said']);
    expect(marks(s, 'power')).toEqual(['5 good', 'null bad', '7 uncertain']);
    expect(s.driver.opens).toBe(1);
  });

  test('that cannot be read changes nothing, is logged once and not asked at every turn', async () => {
    const s = await site('111', { energy: 100, power: 5, said: 'BadNodeIdUnknown' });
    await s.clock.advance(5 * minute);
    s.driver.dropLink();
    s.driver.answer = () => ({ energy: 100, power: 5, said: 'BadTimeout' });
    await s.clock.advance(5 * minute);
    expect(new Set(marks(s, 'power'))).toEqual(new Set(['5 good']));
    expect(s.polls().filter((poll) => poll.includes('said'))).toHaveLength(2);
    expect(s.events).toEqual([]);
    expect(s.logged.filter((each) => each.includes('serial number'))).toHaveLength(1);
  });

  test('whose meter is another one without a configured serial is believed at once, told with both totals', async () => {
    const s = await site(null, { energy: 4711, power: 5, said: 111 });
    await s.clock.advance(10 * second);
    s.driver.dropLink();
    s.driver.answer = () => ({ energy: 3, power: 5, said: 222 });
    await s.clock.advance(15 * minute);
    expect(marks(s, 'energy')).toEqual(['4711 good', '3 good']);
    expect(s.events).toMatchObject([
      { event: 'counter-jump', severity: 'info', facts: { old: 4711, new: 3, oldSerial: '111', newSerial: '222' } },
    ]);
  });

  test('is known over a restart', async () => {
    const s = await site('111', { energy: 100, power: 5, said: 'BadTimeout' }, '222');
    expect(marks(s, 'energy')).toEqual(['100 uncertain']);
    const other = await site('111', { energy: 100, power: 5, said: 'BadTimeout' });
    expect(marks(other, 'energy')).toEqual(['100 good']);
  });

  test('stays in doubt when another poller takes over, told once; another configured serial is compared anew', async () => {
    const s = await site('111', { energy: 100, power: 5, said: 222 });
    await s.takeOver(points('111'));
    await s.clock.advance(2 * minute);
    expect(s.eventNames()).toEqual(['serial-mismatch']);
    expect(s.readings.at(-1)).toMatchObject({ quality: 'uncertain' });
    await s.takeOver(points('222'));
    await s.clock.advance(2 * minute);
    expect(s.readings.at(-1)).toMatchObject({ quality: 'good' });
  });
});
