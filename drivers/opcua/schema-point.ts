import * as v from 'valibot';
import { allowed, doc, integer, number, oneOf, text } from '../../agent/config/grammar.ts';
import { parseBrowsePath } from './browse-path.ts';
import { parseNodeId } from './node-id.ts';

function nodeId() {
  const message = allowed(
    'a NodeId, e.g. "nsu=urn:site:plc;s=Tank.Level" or "ns=2;s=Tank.Level" (i= a number, s= a text, g= a GUID, b= base64)',
  );
  return v.pipe(
    text(4200),
    v.check((value) => parseNodeId(value) !== undefined, message),
  );
}

function browsePath() {
  const message = allowed('a path of browse names from the Objects folder, e.g. "/2:Tank/2:Level"');
  return v.pipe(
    text(4200),
    v.check((value) => parseBrowsePath(value) !== undefined, message),
  );
}

/** `"3"`, `"1,2"`: one element, no range. */
function element() {
  const message = allowed('the number of an element from 0, of a matrix one for each dimension: 3, or "1,2"');
  return v.pipe(
    v.union(
      [integer(0, 2 ** 32 - 1), v.pipe(v.string(message), v.regex(/^\d{1,10}(?:,\d{1,10}){0,4}$/, message))],
      message,
    ),
    v.transform((value) => String(value).split(',').map(Number)),
  );
}

/** `0.5`, `"2%"`. */
function deadband() {
  const message = allowed('a number from 0 in the unit of the server, or a share of its range, "0%"…"100%"');
  const percent = v.pipe(
    v.string(message),
    v.regex(/^(?:100|\d{1,2}(?:\.\d{1,3})?)%$/, message),
    v.transform((value) => ({ type: 'percent' as const, value: Number(value.slice(0, -1)) })),
  );
  const absolute = v.pipe(
    number('a number from 0'),
    v.minValue(0, message),
    v.transform((value) => ({ type: 'absolute' as const, value })),
  );
  return v.union([percent, absolute], message);
}

function enumNames() {
  const message = allowed('an object of names by number, e.g. { "0": "off", "1": "on" }');
  return v.record(v.pipe(v.string(message), v.regex(/^-?\d{1,10}$/, message)), text(64), message);
}

export const pointEntries = {
  nodeId: v.optional(
    doc(
      nodeId(),
      'The node: its namespace by URI (`nsu=`, looked up each time the connection opens) or by index (`ns=`, which may mean another one after a server was changed), and its identifier.',
      { examples: ['nsu=urn:site:plc;s=Tank.Level'] },
    ),
  ),
  browsePath: v.optional(
    doc(
      browsePath(),
      'Instead of `nodeId`: the way from the Objects folder by browse names, looked up each time the connection opens. For servers that number their nodes anew. A slash in a name is written `&/`.',
      { examples: ['/2:Tank/2:Level'] },
    ),
  ),
  index: v.optional(
    doc(element(), 'Which element of an array is the value, counted from 0; `"1,2"` in a matrix.', {
      examples: [3, '1,2'],
    }),
  ),
  mode: v.optional(
    doc(
      oneOf(['subscribe', 'poll']),
      '`subscribe`: the server watches the value `every` so often and sends what changed. `poll`: it is read at its times, like a meter register. Counters are polled, the rest is subscribed unless stated.',
      { examples: ['poll'] },
    ),
  ),
  queueSize: v.optional(
    doc(
      integer(1, 10_000),
      'How many values the server keeps between two publishings, and while the network is cut: what it kept is sent late and not lost, where it hands subscriptions on (most want a user or a signed connection for that). Enough for what `every` and `publishingInterval` make of it unless stated.',
      { examples: [100] },
    ),
  ),
  serverDeadband: v.optional(
    doc(
      deadband(),
      'Of a subscribed number: up to this far from the value sent last, the server sends no other. In its own unit, or a share of the range that it states (`EURange`). Where the server refuses it, every change is sent.',
      { examples: [0.5, '2%'] },
    ),
  ),
  scale: v.optional(doc(number(), 'What the number is multiplied with.', { default: 1, examples: [0.001] })),
  offset: v.optional(doc(number(), 'What is added after scaling.', { default: 0, examples: [-273.15] })),
  min: v.optional(
    doc(number(), 'The smallest value that can be, after scaling; what is below is sent as uncertain.', {
      examples: [0],
    }),
  ),
  max: v.optional(
    doc(number(), 'The largest value that can be, after scaling; what is above is sent as uncertain.', {
      examples: [16],
    }),
  ),
  enum: v.optional(
    doc(enumNames(), 'Names of numbers. Where the file has none, those that the server states are taken.', {
      examples: [{ '0': 'off', '1': 'on' }],
    }),
  ),
};
