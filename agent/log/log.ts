import { fstatSync } from 'node:fs';
import { pino } from 'pino';
import type { Clock } from '../clock.ts';
import { LogOutput, writerTo } from './output.ts';
import type { LogStream } from './output.ts';
import { Repeats } from './repeats.ts';
import type { LogLine, Severity } from './repeats.ts';
import type { Facts } from '../reading.ts';

/**
 * Where the daemon says what it does. Facts are flat; nothing secret is ever handed in. Lines of one key within ten minutes are counted, not repeated;
 * the key is the message unless one is given, null: always printed.
 */
export interface Log {
  info(message: string, facts?: Facts, key?: string | null): void;
  warning(message: string, facts?: Facts, key?: string | null): void;
  error(message: string, facts?: Facts, key?: string | null): void;
}

/** The log of the process: it never holds the daemon up, and its end takes no longer than it is given. */
export interface OpenLog extends Log {
  /** Tells what was only counted, and waits until all is out, `limitMs` at most. */
  close(limitMs: number): Promise<void>;
}

export interface LogOptions {
  readonly stream: LogStream;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** JSON wherever it goes. */
  readonly json?: boolean;
}

/** A line with its newline. */
type Format = (line: LogLine) => string;

/** Lines for people on a terminal, lines with a priority for the journal, one JSON object a line elsewhere, or everywhere. */
export function openLog({ stream, clock, env, json = false }: LogOptions): OpenLog {
  const now = (): string => new Date(clock.now().wallMs).toISOString();
  const format = json ? asJson(now) : formatFor(stream, env, now);
  const droppedLine = (count: number): string =>
    format({
      severity: 'warning',
      message: `${count} lines of this log are missing here: nobody took them, or they could not be written.`,
      facts: { dropped: count },
    });
  const output = new LogOutput({ write: writerTo(stream), clock, droppedLine });
  const repeats = new Repeats(clock, (line) => output.write(format(line)));
  const say =
    (severity: Severity): Log['info'] =>
    (message, facts = {}, key = message) => {
      const line = { severity, message, facts };
      if (key === null) output.write(format(line));
      else repeats.tell(key, line);
    };
  return {
    info: say('info'),
    warning: say('warning'),
    error: say('error'),
    close(limitMs) {
      repeats.close();
      return output.close(limitMs);
    },
  };
}

function formatFor(stream: LogStream, env: LogOptions['env'], now: () => string): Format {
  if (stream.isTTY === true) return forPeople(now);
  if (stream.fd !== undefined && isJournal(stream.fd, env['JOURNAL_STREAM'])) return forJournal;
  return asJson(now);
}

/** systemd.exec(5): `$JOURNAL_STREAM` is device and inode of what the service was given, for it to see whether it still writes there. */
function isJournal(fd: number, told: string | undefined): boolean {
  if (told === undefined) return false;
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return told === `${dev}:${ino}`;
}

const words = { info: '     ', warning: 'warn ', error: 'ERROR' } as const;

const forPeople =
  (now: () => string): Format =>
  ({ severity, message }) =>
    `${now().slice(11, 19)} ${words[severity]} ${oneLine(message)}\n`;

/** sd-daemon(3): a priority of syslog in angle brackets. The journal has its own times. */
const priorities = { info: 6, warning: 4, error: 3 } as const;
const forJournal: Format = ({ severity, message }) => `<${priorities[severity]}>${oneLine(message)}\n`;

const levels = { info: 'info', warning: 'warn', error: 'error' } as const;
function asJson(now: () => string): Format {
  let made = '';
  const logger = pino(
    { base: null, timestamp: () => `,"time":"${now()}"` },
    {
      write: (line: string) => {
        made = line;
      },
    },
  );
  return ({ severity, message, facts }) => {
    logger[levels[severity]](facts, message);
    return made;
  };
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*[\r\n]+\s*/g, ' ');
}
