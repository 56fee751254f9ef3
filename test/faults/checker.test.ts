import { describe, expect, it } from 'vitest';
import { judge } from './checker.ts';

/** Arrivals of one device, by epoch and seq. */
function disordered(...ids: readonly string[]): readonly string[] {
  const delivered = ids.map((id) => ({
    place: 'meter-readings',
    key: 'EM-1',
    value: JSON.stringify({ id: `ps-12/${id}`, repeat: false }),
  }));
  return judge([], delivered).disordered;
}

describe('the order of what arrived', () => {
  it('is by seq within an epoch, and by the count of starts between two', () => {
    expect(disordered('1-a/1', '1-a/2', '2-b/1')).toEqual([]);
    expect(disordered('1-a/2', '1-a/1')).toEqual(['ps-12/1-a/1']);
    expect(disordered('2-b/1', '1-a/9')).toEqual(['ps-12/1-a/9']);
  });

  // The first of them began on a read-only disk, sent from memory, and left no trace.
  it('is by arrival between two starts of the same count', () => {
    expect(disordered('12-a/10000546', '12-b/547', '12-b/548')).toEqual([]);
    expect(disordered('12-a/10000546', '12-b/547', '12-a/10000548')).toEqual(['ps-12/12-a/10000548']);
  });
});
