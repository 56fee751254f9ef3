import { existsSync, read as readFd } from 'node:fs';
import { promisify } from 'node:util';
import { LinkError, messageOf } from '../../agent/errors.ts';
import type { BytePort } from './byte-port.ts';
import type { SerialLine } from './plan.ts';
import { holdersOf, holdersText } from './port-holders.ts';
import type { PortHolder } from './port-holders.ts';

const readFrom = promisify(readFd);

/** What the binding said, without the "Error:" that it puts before its texts. */
function plain(cause: unknown): Error {
  return new Error(messageOf(cause).replace(/^(?:Error: )+/, ''));
}

/** The binding tells no codes, only texts. */
async function hintFor(said: string, path: string): Promise<string> {
  if (/no such file/i.test(said)) return ' (is the adapter plugged in?)';
  if (/permission denied/i.test(said)) return ' (is the user of Sluice in the group of the line, mostly dialout?)';
  if (!/lock|busy|temporarily unavailable/i.test(said)) return '';
  const holders = await holdersOf(path);
  return holders.length === 0
    ? ` (it is in use; root can see by whom: sudo fuser -v ${path})`
    : ` (${heldBy(holders)})`;
}

function heldBy(holders: readonly PortHolder[]): string {
  return `${holdersText(holders)} ${holders.length === 1 ? 'has' : 'have'} it open; two that ask on one line spoil each other's answers: end the other`;
}

/**
 * Opens the line for this process alone: not beside a program that has it open, even if that one locks nothing. Rejects with LinkError; `signal` gives
 * the attempt up.
 */
export async function openSerialPort(line: SerialLine, signal: AbortSignal): Promise<BytePort> {
  const { path, ...settings } = line;
  if (signal.aborted) throw new LinkError(`${path}: the attempt was given up`, { cause: signal.reason });
  // Before it is opened, since opening changes the settings under whoever uses it.
  const holders = await holdersOf(path);
  if (holders.length > 0) throw new LinkError(`${path} cannot be opened: ${heldBy(holders)}`);
  const { LinuxBinding } = await import('@serialport/bindings-cpp');
  const port = await LinuxBinding.open({ path, ...settings, dataBits: 8, lock: true }).catch(async (cause: unknown) => {
    throw new LinkError(`${path} cannot be opened${await hintFor(messageOf(cause), path)}`, { cause: plain(cause) });
  });
  // Else some adapters keep what they heard for 16 ms. Where it cannot be set, the line works all the same.
  await port.set({ lowLatency: true }).catch(() => undefined);
  const { promise: ended, resolve: end } = Promise.withResolvers<Error | undefined>();
  let isClosed = false;
  let heard: ((bytes: Buffer) => void) | undefined;

  /** Not the binding's own read: where nothing came it reads again at once, and a line that was hung up gives nothing for ever. A quiet one says EAGAIN. */
  async function readSome(room: Buffer): Promise<number> {
    for (;;) {
      if (port.fd === null) throw new Error('the port is closed');
      try {
        return (await readFrom(port.fd, room, 0, room.length, null)).bytesRead;
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN' && port.isOpen)) throw error;
      }
      await new Promise<void>((resolve, reject) => {
        port.poller.once('readable', (error) => (error === null ? resolve() : reject(error)));
      });
    }
  }

  async function read(): Promise<void> {
    const room = Buffer.alloc(1024);
    try {
      for (;;) {
        const bytesRead = await readSome(room);
        if (bytesRead === 0) throw new Error('the line was hung up');
        heard?.(Buffer.from(room.subarray(0, bytesRead)));
      }
    } catch (error) {
      end(isClosed ? undefined : plain(error));
    }
  }
  let closing: Promise<void> | undefined;
  void read();
  return {
    name: path,
    ended,
    write(bytes) {
      port.write(bytes).catch((error: unknown) => end(plain(error)));
    },
    isGone: () => !existsSync(path),
    listen(listener) {
      heard = listener;
    },
    close() {
      isClosed = true;
      closing ??= port.close().catch(() => undefined);
      end(undefined);
      return closing;
    },
  };
}
