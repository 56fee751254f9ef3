import * as v from 'valibot';
import { allowed, doc, flag, id, integer, list, number, object, oneOf, text } from '../../agent/config/grammar.ts';
import { defaults } from './defaults.ts';
import { mostRegisters } from './protocol.ts';
import { numberTypes, registerTypes } from './types.ts';
import type { NumberType } from './types.ts';

function address() {
  const message = allowed('0…65535 (1…65536 with addressBase 1) as a number, or hex text, e.g. "0x0BD3"');
  const hex = v.pipe(v.string(message), v.regex(/^0x(?:0?[0-9A-Fa-f]{1,4}|10000)$/, message), v.transform(Number));
  return v.union([integer(0, 0x10000, message.replace('allowed: ', '')), hex], message);
}

function reference() {
  const message = allowed('text of 5 or 6 digits whose first names the table, e.g. "40001" or "400001"');
  return v.pipe(v.string(message), v.regex(/^(?:[0134]\d{4}|[0134]\d{5})$/, message));
}

function scale() {
  return v.pipe(number('a number other than 0'), v.notValue(0, allowed('a number other than 0')));
}

function invalid() {
  const message = allowed(
    'words as `sluice read` shows them ("ffff ffff"), the bits of the value ("0xFFFFFFFF"), or the number that the type gives; one or a list',
  );
  const words = v.pipe(
    v.string(message),
    v.regex(/^(?:0x[0-9A-Fa-f]{1,16}|[0-9A-Fa-f]{4}(?: ?[0-9A-Fa-f]{4}){0,124})$/, message),
  );
  const mark = v.union([words, number()], message);
  return v.union([words, number(), v.pipe(v.array(mark, message), v.minLength(1, message))], message);
}

function names() {
  const message = allowed('an object { "0": "off", "1": "on" } of whole numbers and names');
  const key = v.pipe(v.string(message), v.regex(/^(?:0|-?[1-9]\d{0,15})$/, 'allowed: a whole number, e.g. "0"'));
  return v.pipe(
    v.record(key, text(), message),
    v.check((all) => Object.keys(all).length > 0, message),
    v.metadata({ minProperties: 1 }),
  );
}

const part = object({
  address: v.optional(
    doc(address(), 'Its first register, counted as the `address` of a point is.', { examples: [100] }),
  ),
  reference: v.optional(
    doc(reference(), 'Instead of `address`: its first register as manuals print it.', { examples: ['40101'] }),
  ),
  type: v.optional(
    doc(oneOf(Object.keys(numberTypes) as [NumberType, ...NumberType[]]), 'How its registers hold the number.', {
      default: defaults.type,
      examples: ['uint32'],
    }),
  ),
  scale: v.optional(
    doc(scale(), 'What it is multiplied with before it is added.', { default: defaults.scale, examples: [0.0001] }),
  ),
  invalid: v.optional(
    doc(invalid(), 'What the device sends there instead of a number; the whole sum is then bad.', {
      examples: ['ffff ffff'],
    }),
  ),
});

/** The keys of a point that are its own: where its words are, and what they mean. */
export const pointEntries = {
  address: v.optional(
    doc(
      address(),
      'The first register, as the protocol counts from 0, or as the manual prints it with `addressBase` 1. A number, or hex as text. Every point has exactly one of `address`, `reference` and `sum`.',
      { examples: [342, '0x0156'] },
    ),
  ),
  reference: v.optional(
    doc(
      reference(),
      'Instead of `address`: text of 5 or 6 digits as manuals print it, whose first digit names the table (0 coil, 1 discrete input, 3 input, 4 holding register) and whose rest counts from 1.',
      { examples: ['30343', '400343'] },
    ),
  ),
  type: v.optional(
    doc(
      oneOf(registerTypes),
      'How the registers hold the value: 16, 32, 48 or 64 bits take 1 to 4 registers; `int8h` and `uint8h` are the high byte of a register, `int8l` and `uint8l` the low one; `bcd` has a decimal digit in every four bits, `mod10k` four decimal digits in every register; `bit` needs `bit`, `string` needs `length`. A value of several registers is never split over two requests. Coils and discrete inputs are of the type `bit`.',
      { default: defaults.type, examples: ['float32'] },
    ),
  ),
  bit: v.optional(
    doc(
      integer(0, 15, '0…15'),
      'Which bit of the register is the value, 0 the least significant. The type is then `bit`.',
      {
        examples: [3],
      },
    ),
  ),
  length: v.optional(
    doc(
      integer(1, mostRegisters),
      'How many registers a `string` takes, two characters each. It ends at the first zero byte, blanks at its end are dropped. UTF-8, or else Latin-1; control characters are shown as U+FFFD.',
      { examples: [8] },
    ),
  ),
  sum: v.optional(
    doc(
      list(part, 'a list of parts, e.g. [{ "address": 10, "type": "uint32" }, { "address": 12, "scale": 0.001 }]'),
      'Instead of `address`: a value that is spread over several numbers, which are added exactly: whole and fraction, or tariffs. All are in one table within 125 registers and are read in one request, whatever `maxGap` says. The `scale` and `offset` of the point come after the sum.',
      {
        examples: [
          [
            { address: 100, type: 'uint32' },
            { address: 102, type: 'uint16', scale: 0.001 },
          ],
        ],
      },
    ),
  ),
  invalid: v.optional(
    doc(
      invalid(),
      'What the device sends when it has no value, one or a list: words as `sluice read` shows them (`"8000 0000"`), the bits of the value whatever the byte order (`"0x80000000"`), or the number that the type gives before scaling. The reading is then `bad`.',
      { examples: ['ffff ffff', '0x80000000', -32768] },
    ),
  ),
  enum: v.optional(
    doc(
      names(),
      'Names of the numbers that a state can be. The number is sent as the value and its name as the text; a number without a name is `uncertain`.',
      { examples: [{ '0': 'off', '1': 'on' }] },
    ),
  ),
  scale: v.optional(
    doc(
      scale(),
      'What the number in the registers is multiplied with to give the value in `unit`, exactly in decimal: 12345 with 0.01 is 123.45.',
      { default: defaults.scale, examples: [0.001] },
    ),
  ),
  offset: v.optional(
    doc(number(), 'What is added after `scale`, in `unit`.', { default: defaults.offset, examples: [-273.15] }),
  ),
  scaleFrom: v.optional(
    doc(
      id(),
      'The name of another point of the device that holds a power of ten, −10…10, to multiply with (SunSpec\'s "scale factor"). It is read together with this one, also when it is not due itself; without it the reading is `bad`.',
      { examples: ['W_SF'] },
    ),
  ),
  factorFrom: v.optional(
    doc(
      list(id(), 'a list of names of points'),
      'Names of other points of the device to multiply with: ratios of current and voltage transformers that are set in the meter. They are read together with this one, also when they are not due themselves; without one of them, or with a 0, the reading is `bad`.',
      { examples: [['ct_ratio', 'vt_ratio']] },
    ),
  ),
  min: v.optional(
    doc(number(), 'The lowest value that can be right, in `unit`. A lower one is sent as `uncertain`, not dropped.', {
      examples: [0],
    }),
  ),
  max: v.optional(
    doc(number(), 'The highest value that can be right, in `unit`. A higher one is sent as `uncertain`, not dropped.', {
      examples: [100],
    }),
  ),
  raw: v.optional(
    doc(
      flag(),
      'Whether records carry the register words as they came, so that a wrong `type` or `byteOrder` can be mended later without loss. On for counters, off for the rest unless stated.',
    ),
  ),
};
