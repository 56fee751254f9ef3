import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { requestPdu } from '../../../drivers/modbus/codec.ts';
import { outcomeOf, questionOf } from '../../../drivers/modbus/questions.ts';

const at = { boot: 'b', bootMs: 0, wallMs: 0, trust: 'unknown' } as const;
const read = { unitId: 1, table: 'holding', address: 5, count: 2, timeoutMs: 500 };

test('whatever is asked becomes a read, a question of identity, or is refused', () => {
  const value = fc.oneof(
    fc.jsonValue(),
    fc.integer({ min: -2, max: 70_000 }),
    fc.constantFrom('holding', 'coil', '__proto__', 'server', 'device', '6'),
  );
  const question = fc.oneof(
    fc.jsonValue(),
    fc.record({ unitId: value, table: value, address: value, count: value, timeoutMs: value }, { requiredKeys: [] }),
    fc.record(
      Object.fromEntries(Object.entries(read).map(([key, usual]) => [key, fc.oneof(fc.constant(usual), value)])),
    ),
    fc.record({
      unitId: fc.nat(255),
      identify: value,
      from: fc.oneof(fc.nat(255), value),
      timeoutMs: fc.nat(60_000),
      functionCode: value,
    }),
  );
  const seen = new Set<number>();
  fc.assert(
    fc.property(question, (json) => {
      try {
        const { request, timeoutMs } = questionOf(json);
        expect(timeoutMs).toBeLessThanOrEqual(2000);
        seen.add(requestPdu(request).readUInt8(0));
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }),
    { numRuns: 3000 },
  );
  expect([...seen].filter((code) => ![1, 2, 3, 4, 17, 43].includes(code))).toEqual([]);
  expect(seen).toContain(3);
});

test.each([
  [{ kind: 'data', data: '0001' }, 'fewer bytes than were asked'],
  [{ kind: 'data', data: '000' }, 'half a byte'],
  [{ kind: 'exception', code: 'x' }, 'no code'],
  [{ kind: 'damaged' }, 'no reason'],
  [null, 'nothing'],
])('%j is no outcome (%s)', (json, _why) => {
  const { timeoutMs: _, ...request } = read;
  expect(outcomeOf({ ...request, table: 'holding' }, json, at)).toContain('another version');
});
