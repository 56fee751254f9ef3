import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { builtAtMs } from '../../../agent/build-time.ts';
import { systemClock } from '../../../agent/time/system-clock.ts';
import type { SystemClock } from '../../../agent/time/system-clock.ts';
import { timeSource } from '../../../agent/time/time-sources.ts';
import { openSocket } from '../../../drivers/modbus/socket.ts';
import { socketPort } from '../../../drivers/modbus/socket-port.ts';
import type { Outcome } from '../../../drivers/modbus/link.ts';
import { RtuLink } from '../../../drivers/modbus/rtu-link.ts';
import { wireTimes } from '../../../drivers/modbus/wire-times.ts';
import { openSerialPort } from '../../../drivers/modbus/serial-port.ts';
import { honestRtu, noSocat, rtuAnswer, rtuFrame, startRtuGateway, startRtuLine } from '../../simulators/rtu-line.ts';
import type { RtuBehaviour, RtuLine } from '../../simulators/rtu-line.ts';

const timeoutMs = 250;
const never = new AbortController().signal;
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

function clock(): SystemClock {
  const made = systemClock({ source: timeSource('none'), builtAtMs });
  closing.push(() => made.close());
  return made;
}

async function serial(behaviour: RtuBehaviour): Promise<{ line: RtuLine; link: RtuLink }> {
  const line = await startRtuLine(behaviour);
  closing.push(() => line.close());
  const settings = { baudRate: 115_200, parity: 'none', stopBits: 1 } as const;
  const link = new RtuLink(await openSerialPort({ path: line.path, ...settings }, never), {
    clock: clock(),
    wire: wireTimes(settings),
  });
  closing.push(() => link.close());
  return { line, link };
}

function read(link: RtuLink, unitId: number, address: number, count: number): Promise<Outcome> {
  return link.request({ unitId, table: 'holding', address, count }, timeoutMs);
}

/** The words of an answer; anything else as its kind. */
function words(outcome: Outcome): string {
  if (outcome.kind === 'exception') return `exception ${outcome.code}`;
  return outcome.kind === 'data' ? outcome.data.toString('hex') : outcome.kind;
}

describe.skipIf(noSocat !== undefined)(
  `Modbus RTU on a serial line${noSocat === undefined ? '' : ` (skipped: ${noSocat})`}`,
  () => {
    it('reads', async () => {
      const { link } = await serial(honestRtu);
      expect(words(await read(link, 7, 16, 3))).toBe('071007110712');
      expect(words(await read(link, 9, 0, 1))).toBe('0900');
    });

    it('an answer in single bytes is one answer', async () => {
      const { link } = await serial(async (request, send) => {
        for (const byte of rtuAnswer(request, () => 0x1234)) {
          send(Buffer.from([byte]));
          await sleep(3);
        }
      });
      expect(words(await read(link, 7, 0, 4))).toBe('1234123412341234');
    });

    it('skips the echo of its own request', async () => {
      const { link } = await serial((request, send) => {
        send(request.bytes);
        honestRtu(request, send);
      });
      expect(words(await read(link, 7, 2, 1))).toBe('0702');
      expect(words(await read(link, 7, 0x0402, 2))).toBe('07020703');
    });

    it('the echo of a request that has the form of an answer makes no value and damages none', async () => {
      // An address of 0x03.. stands where an answer says how many bytes come: three, and the frame is whole.
      const { link, line } = await serial((request, send) => {
        send(request.bytes);
        honestRtu(request, send);
      });
      expect(words(await read(link, 7, 0x0302, 2))).toBe('07020703');
      const coils = { unitId: 7, table: 'coil', address: 0x0300, count: 24 } as const;
      line.behave(({ bytes }, send) => send(Buffer.concat([bytes, rtuFrame(7, 1, 3, 0xa1, 0xb2, 0xc3)])));
      expect(words(await link.request(coils, timeoutMs))).toBe('a1b2c3');
      line.behave(({ bytes }, send) => send(bytes));
      expect(words(await link.request(coils, timeoutMs))).toBe('silence');
    });

    it.each([
      [
        'a wrong CRC',
        (frame: Buffer) => Buffer.concat([frame.subarray(0, -1), Buffer.from([(frame.at(-1) ?? 0) ^ 1])]),
      ],
      ['a flipped bit', (frame: Buffer) => Buffer.from(frame.map((byte, at) => (at === 4 ? byte ^ 0x10 : byte)))],
      ['another unit', () => rtuFrame(8, 3, 2, 1, 2)],
      ['another function', () => rtuFrame(7, 4, 2, 1, 2)],
      ['another length', () => rtuFrame(7, 3, 4, 1, 2, 3, 4)],
      ['noise', () => Buffer.from([0xff, 0xfe, 0x00, 0x11])],
      ['an answer that breaks off', (frame: Buffer) => frame.subarray(0, 5)],
    ])('%s is damaged, and the next request works', async (_, spoil) => {
      const { link, line } = await serial((request, send) => send(spoil(rtuAnswer(request, () => 0x0102))));
      expect(words(await read(link, 7, 0, 1))).toBe('damaged');
      line.behave(honestRtu);
      expect(words(await read(link, 9, 1, 1))).toBe('0901');
      expect(words(await read(link, 7, 1, 2))).toBe('07010702');
    });

    it('an exception is an answer', async () => {
      const { link } = await serial(({ unitId }, send) => send(rtuFrame(unitId, 0x83, 2)));
      expect(words(await read(link, 7, 0, 1))).toBe('exception 2');
    });

    it('bytes that nobody waits for make no value', async () => {
      const { link, line } = await serial(honestRtu);
      line.send(rtuFrame(7, 3, 2, 0xde, 0xad));
      await sleep(30);
      expect(words(await read(link, 7, 1, 1))).toBe('0701');
    });

    it('a late answer is never the value of another register, however the timing falls', async () => {
      for (let lateMs = 220; lateMs <= 540; lateMs += 40) {
        // A device answers one question after the other.
        let turn: Promise<unknown> = Promise.resolve();
        const { link, line } = await serial(async (request, send) => {
          const before = turn;
          turn = request.number === 0 ? sleep(lateMs) : before;
          await turn;
          honestRtu(request, send);
        });
        const first = words(await read(link, 7, 0x10, 2));
        const nothing = ['silence', 'damaged'];
        expect(['07100711', ...nothing]).toContain(first);
        const seen: string[] = [];
        for (const address of [0x20, 0x30, 0x10, 0x20])
          seen.push(`${address}: ${words(await read(link, 7, address, 2))}`);
        for (const [at, address] of [0x20, 0x30, 0x10, 0x20].entries()) {
          const right = (0x0700_0700 + (address << 16) + address + 1).toString(16).padStart(8, '0');
          expect([right, ...nothing].map((each) => `${address}: ${each}`)).toContain(seen[at]);
        }
        expect(line.requests.length).toBeGreaterThan(4);
        link.close();
      }
    });

    it('a byte that the line makes before an answer is no part of it', async () => {
      const { link } = await serial((request, send) => {
        send(Buffer.concat([Buffer.from([0]), rtuAnswer(request, () => 0x0102)]));
      });
      expect(words(await read(link, 7, 0, 1))).toBe('0102');
      expect(words(await read(link, 3, 0, 2))).toBe('01020102');
    });

    it('the answer to a request that noise ended is not taken for another', async () => {
      const { link, line } = await serial(async (request, send) => {
        if (request.number > 0) return;
        send(Buffer.from([0xff, 0xff, 0xff]));
        await sleep(60);
        honestRtu(request, send);
      });
      expect(words(await read(link, 7, 0x10, 2))).toBe('damaged');
      expect(words(await read(link, 7, 0x20, 2))).toBe('silence');
      expect(line.requests.at(-1)).toMatchObject({ address: 0x20, count: 1 });
    });

    it('after a late exception the answer it overtook is not taken for another', async () => {
      const { link, line } = await serial(async (request, send) => {
        if (request.number === 1) {
          send(rtuFrame(7, 0x83, 4));
          await sleep(60);
          honestRtu(request, send);
        } else if (request.number > 1) honestRtu(request, send);
      });
      expect(words(await read(link, 7, 0x10, 2))).toBe('silence');
      expect(words(await read(link, 7, 0x20, 3))).toBe('exception 4');
      expect(words(await read(link, 7, 0x30, 3))).toBe('073007310732');
      expect(line.requests.map(({ count }) => count)).toEqual([2, 3, 1, 3]);
    });

    it('a line that never falls quiet is damaged, not waited for without end', async () => {
      const { link, line } = await serial(() => {});
      const babble = setInterval(() => line.send(Buffer.from([0x55])), 1);
      closing.push(() => clearInterval(babble));
      await sleep(50);
      expect(words(await read(link, 7, 0, 1))).toBe('damaged');
    });

    it('a unit in doubt is asked for another number of registers first, others are not', async () => {
      const { link, line } = await serial((request, send) => {
        if (request.number > 0) honestRtu(request, send);
      });
      expect(words(await read(link, 7, 0x10, 2))).toBe('silence');
      expect(words(await read(link, 8, 0x20, 2))).toBe('08200821');
      expect(words(await read(link, 7, 0x20, 2))).toBe('07200721');
      expect(words(await read(link, 7, 0x30, 2))).toBe('07300731');
      expect(line.requests.map(({ unitId, address, count }) => [unitId, address, count])).toEqual([
        [7, 0x10, 2],
        [8, 0x20, 2],
        [7, 0x20, 1],
        [7, 0x20, 2],
        [7, 0x30, 2],
      ]);
    });

    it('a line that is taken away ends the link, and one that somebody holds cannot be opened', async () => {
      const { link, line } = await serial(honestRtu);
      await expect(
        openSerialPort({ path: line.path, baudRate: 9600, parity: 'even', stopBits: 1 }, never),
      ).rejects.toThrow('cannot be opened');
      await line.close();
      expect(await link.ended).toBeInstanceOf(Error);
      await expect(read(link, 7, 0, 1)).rejects.toThrow('the line is gone');
    });
  },
);

describe('Modbus RTU over TCP', () => {
  it('after a timeout the socket is renewed, and what comes late comes to nobody', async () => {
    const next = Promise.withResolvers<void>();
    const gateway = await startRtuGateway(async (request, send) => {
      // The first answer comes when the second request is there: late, however slow this machine is.
      if (request.number === 0) await next.promise;
      else next.resolve();
      honestRtu(request, send);
    });
    closing.push(() => gateway.close());
    const own = clock();
    const open = async (): Promise<ReturnType<typeof socketPort>> => {
      const address = { host: '127.0.0.1', port: gateway.port };
      return socketPort(await openSocket(address, 1000, own, new AbortController().signal), 'gateway');
    };
    const link = new RtuLink(await open(), { clock: own, wire: { characterMs: 0, gapMs: 0 }, renew: open });
    closing.push(() => link.close());
    expect(words(await read(link, 7, 0x10, 2))).toBe('silence');
    expect(words(await read(link, 7, 0x20, 2))).toBe('07200721');
    expect(words(await read(link, 7, 0x30, 2))).toBe('07300731');
    expect(gateway.connections()).toBe(2);
    expect(link.isOpen).toBe(true);
  });
});
