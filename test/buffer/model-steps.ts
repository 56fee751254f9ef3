import fc from 'fast-check';
import type { Damage, Lane, Step } from './model.ts';
import { lanes } from './model.ts';

const lane: fc.Arbitrary<Lane> = fc.constantFrom(...lanes);
const share = fc.integer({ min: 0, max: 999 }).map((thousandths) => thousandths / 1000);

const damage: fc.Arbitrary<Damage> = fc.record({
  how: fc.constantFrom('flip', 'zero', 'truncate', 'remove'),
  file: share,
  at: share,
});

const append: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('append'),
  lane,
  count: fc.integer({ min: 1, max: 30 }),
  textBytes: fc.constantFrom(0, 20, 4000),
  isAwaited: fc.boolean(),
});
const send: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('send'),
  lane,
  most: fc.constantFrom(1, 20, 1000),
  outcome: fc.constantFrom('settle', 'settle', 'part', 'nothing', 'reject'),
});
const adjust: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('adjust'),
  maxBytes: fc.constantFrom(1_000_000, 2_000_000, 64_000_000),
  whenFull: fc.constantFrom('thin', 'stop'),
});
const stop = (damages: fc.Arbitrary<Damage[]>): fc.Arbitrary<Step> =>
  fc.record({ do: fc.constant('stop'), how: fc.constantFrom('clean', 'crash'), damages });

/** `withDamage`: stops after which files are damaged, too. */
export function stepsOf(mostSteps: number, withDamage: boolean): fc.Arbitrary<Step[]> {
  return fc.array(
    fc.oneof(
      { weight: 8, arbitrary: append },
      { weight: 7, arbitrary: send },
      { weight: 2, arbitrary: fc.constant<Step>({ do: 'rewind' }) },
      { weight: 1, arbitrary: adjust },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('failCommit' as const), lane }) },
      { weight: 2, arbitrary: stop(fc.constant([])) },
      ...(withDamage ? [{ weight: 2, arbitrary: stop(fc.array(damage, { minLength: 1, maxLength: 2 })) }] : []),
    ),
    { minLength: 5, maxLength: mostSteps, size: 'max' },
  );
}
