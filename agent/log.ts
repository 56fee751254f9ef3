import { pino, stdTimeFunctions } from 'pino';
import type { Facts } from './reading.ts';

/** Where the daemon says what it does. Facts are flat; nothing secret is ever handed in. */
export interface Log {
  info(message: string, facts?: Facts): void;
  warning(message: string, facts?: Facts): void;
  error(message: string, facts?: Facts): void;
}

const words: Readonly<Record<number, string>> = { 30: '     ', 40: 'warn ', 50: 'ERROR' };

/** To standard error: lines for people on a terminal, one JSON object a line elsewhere. */
export function openLog(stream: { readonly isTTY?: boolean; write(text: string): unknown }): Log {
  const people = {
    write(line: string): void {
      const { time, level, msg } = JSON.parse(line) as { time: string; level: number; msg: string };
      stream.write(`${time.slice(11, 19)} ${words[level] ?? level} ${msg}\n`);
    },
  };
  const logger = pino({ base: null, timestamp: stdTimeFunctions.isoTime }, stream.isTTY === true ? people : stream);
  return {
    info: (message, facts) => logger.info(facts ?? {}, message),
    warning: (message, facts) => logger.warn(facts ?? {}, message),
    error: (message, facts) => logger.error(facts ?? {}, message),
  };
}
