/** The keys of a point that say what is done with its readings. Not inherited, but from a profile's point of the same name. */
import * as v from 'valibot';
import type { Rate } from '../screen/counters.ts';
import { allowed, doc, duration, durationMs, flag, number, oneOf } from './grammar.ts';

function above0() {
  const message = allowed('a number above 0');
  return v.pipe(number('a number above 0'), v.gtValue(0, message));
}

const rateForm = /^(?!0+(?:\.0+)?\/)(\d{1,15}(?:\.\d{1,9})?)\/(ms|s|m|h|d)$/;

/** `"40/h"` → 40 per 3600000 ms. */
function rate() {
  const message = allowed('a number above 0 per ms, s, m, h or d, e.g. "40/h"');
  const read = (value: string): Rate => {
    const [, amount = '', unit = ''] = rateForm.exec(value) ?? [];
    return { amount: Number(amount), perMs: durationMs(`1${unit}`) ?? 0 };
  };
  return v.pipe(v.string(message), v.regex(rateForm, message), v.transform(read));
}

export const rules = {
  report: v.optional(
    doc(
      oneOf(['every', 'change']),
      '`every` sends each reading; `change` only what differs from what was sent last: its value by more than `deadband`, its text, quality or status, or when `maxAge` has passed. Counters are always sent each time.',
      { default: 'every', examples: ['change'] },
    ),
  ),
  deadband: v.optional(
    doc(
      v.pipe(number('a number from 0'), v.minValue(0, allowed('a number from 0'))),
      'With `"report": "change"`: up to this far from the value sent last, in the unit of the point, a value is not sent.',
      { default: 0, examples: [0.5] },
    ),
  ),
  maxAge: v.optional(
    doc(
      duration({ minMs: 100 }),
      'With `"report": "change"`: at the latest so long after the last one a reading is sent again, changed or not. Never for its age unless stated.',
      { examples: ['15m'] },
    ),
  ),
  modulus: v.optional(
    doc(
      above0(),
      'Of a counter: the total at which it begins at 0 again, in the unit of the point: 1000000 for six digits. A drop that this explains is good and told as `counter-rollover`; any other is sent as uncertain and told as `counter-jump`.',
      { examples: [1_000_000] },
    ),
  ),
  maxRate: v.optional(
    doc(
      rate(),
      'Of a counter: the most it can rise in a time, in the unit of the point; with `"decreases": true` also the most it can fall. What moves faster is sent as uncertain and told as `counter-jump`.',
      { examples: ['40/h'] },
    ),
  ),
  decreases: v.optional(
    doc(
      flag(),
      '`true`: a counter that may fall as well, such as import less export. A drop is then judged by `maxRate` alone. Not beside `modulus`.',
      { default: false, examples: [true] },
    ),
  ),
};
