import { describe, expect, it } from 'vitest';
import { plainStatus } from '../../../agent/commands/plain-status.ts';
import type { PointPlace, SeenDevice } from '../../../agent/commands/read-site.ts';
import { tablePrinter } from '../../../agent/commands/read-table.ts';
import type { Observation } from '../../../agent/reading.ts';
import { Readable } from 'node:stream';
import { pointInfo, reading } from '../../support/readings.ts';

const place = (point: string): PointPlace => ({
  point: pointInfo({ point }),
  where: 'holding 12 (40013, 400013)',
  keepsRaw: true,
  timeoutMs: 1000,
});
const places = ['energy', 'power'].map(place);
const silent: Partial<Observation> = { value: null, quality: 'bad', status: 'BadTimeout' };

function device(name: string, seen: Partial<Observation>[], linkDown: string | null = null): SeenDevice {
  const points = seen.map((some, at) => ({
    ...place(['energy', 'power'][at] ?? ''),
    observation: reading({ point: places[at]?.point ?? pointInfo({}), ...some }),
  }));
  return { connection: 'panel', device: name, tookMs: 7, linkDown, points };
}

function printed(devices: readonly SeenDevice[], isTTY = false, env: Record<string, string> = {}): string {
  let text = '';
  const stdout = { write: (more: string) => void (text += more), isTTY };
  const io = { stdout, stderr: stdout, stdin: Readable.from([]), env, signal: new AbortController().signal };
  const print = tablePrinter(io, places);
  for (const one of devices) print(one);
  return text;
}

describe('the table of sluice read', () => {
  it('has heads once, and a bad point moves no column', () => {
    expect(
      printed([device('EM-1', [{ value: 4711.25, raw: '0047 e352' }, silent]), device('EM-2', [{ value: 1 }])]).split(
        '\n',
      ),
    ).toEqual([
      'EM-1, 7 ms',
      '  point          value  unit  address                     raw words  quality',
      '  energy       4711.25  kW.h  holding 12 (40013, 400013)  0047 e352  good',
      '  power              -  kW.h  holding 12 (40013, 400013)             bad: no answer within 1s (BadTimeout)',
      'EM-2, 7 ms',
      '  energy             1  kW.h  holding 12 (40013, 400013)             good',
      '',
    ]);
  });

  it('tells a link that is down once for its connection', () => {
    const down = '10.12.0.20:502 cannot be reached';
    expect(printed([device('EM-1', [silent, silent], down), device('EM-2', [silent], down)])).toBe(
      'EM-1: 2 points not read: connection panel: 10.12.0.20:502 cannot be reached\nEM-2: 1 point not read: connection panel is down, as told above\n',
    );
  });

  it('is coloured on a terminal only, not where NO_COLOR is set, and only what is not good', () => {
    const seen = [device('EM-1', [{}, silent])];
    const coloured = printed(seen, true);
    expect(coloured.split('\u001B')).toHaveLength(3);
    expect(coloured).toContain('\u001B[31mbad: no answer within 1s (BadTimeout)\u001B[0m\n');
    for (const plain of [printed(seen), printed(seen, true, { NO_COLOR: '1' })]) expect(plain).not.toContain('\u001B');
    expect(printed(seen, true, { NO_COLOR: '' })).toContain('\u001B');
  });
});

it.each([
  [{ status: 'Good', quality: 'good' }, 'good'],
  [{ status: 'BadTimeout' }, 'bad: no answer within 750ms (BadTimeout)'],
  [
    { status: 'BadNotSupported', exceptionCode: 1 },
    'bad: exception 01: the device does not know this function: wrong `table`? (holding or input) (BadNotSupported)',
  ],
  [
    { status: 'BadNodeIdUnknown', exceptionCode: 2 },
    'bad: exception 02: illegal address, the device has nothing there (BadNodeIdUnknown)',
  ],
  [
    { status: 'BadNoCommunication', exceptionCode: 11 },
    'bad: exception 0B: the gateway in between got no answer from the device (BadNoCommunication)',
  ],
  [{ status: 'BadDeviceFailure', exceptionCode: 99 }, 'bad: exception 63: not in the specification (BadDeviceFailure)'],
  [
    { status: 'UncertainEngineeringUnitsExceeded', quality: 'uncertain' },
    'uncertain: outside min…max (UncertainEngineeringUnitsExceeded)',
  ],
  [{ status: 'BadSomethingElse' }, 'bad: BadSomethingElse'],
] as const)('%j is said as %s', (some, said) =>
  expect(plainStatus({ quality: 'bad', exceptionCode: null, ...some }, 750)).toBe(said),
);
