import type { SerialLine, Transport } from '../plan.ts';
import type { serialKeys } from './line-url.ts';
import type { Query } from './query.ts';

/** The likeliest first: what meters come with, what the specification wants (19200, even), what installers choose. */
const baudRates = [9600, 19_200, 38_400, 115_200, 4800, 2400, 57_600, 1200];
/** Without parity the specification has two stop bits and most devices one. */
const frames = [
  { parity: 'even', stopBits: 1 },
  { parity: 'none', stopBits: 1 },
  { parity: 'none', stopBits: 2 },
  { parity: 'odd', stopBits: 1 },
] as const;

/** The settings to try one after the other; what the URL states stands. */
export function sweepOf(line: SerialLine, query: Query): Transport[] {
  const isFixed = (key: (typeof serialKeys)[number]): boolean => query.text(key) !== undefined;
  const all = baudRates.flatMap((baudRate) =>
    frames.map((frame): SerialLine => ({
      path: line.path,
      baudRate: isFixed('baudRate') ? line.baudRate : baudRate,
      parity: isFixed('parity') ? line.parity : frame.parity,
      stopBits: isFixed('stopBits') ? line.stopBits : frame.stopBits,
    })),
  );
  const keys = all.map((each) => JSON.stringify(each));
  return all.filter((_, at) => keys.indexOf(keys[at] ?? '') === at).map((each) => ({ kind: 'rtu', ...each }));
}
