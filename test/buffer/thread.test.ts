import { afterEach, describe, expect, it } from 'vitest';
import { beginWriter } from '../../buffer/thread.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { pointInfo, reading } from '../support/readings.ts';

const flow = pointInfo({ point: 'flow', kind: 'gauge', stream: 'sensor-values' });
const clock = new FakeClock();
const three = [1, 2, 3].map((value) => reading({ point: flow, value, at: clock.now() }));

const folder = new BufferFolder();
afterEach(() => folder.remove());

// Most tests of the buffer run the writer in their own thread (`same-thread-writer.ts`).
describe('a buffer with a thread for its writer', () => {
  it('keeps what it accepted over an end in order, and over one that cuts the thread off and lets go of all its files', async () => {
    const first = await folder.opened({ writer: beginWriter() });
    await first.append('sensor-values', three);
    await first.close(soon());

    const second = await folder.opened({ writer: beginWriter() });
    await second.append('sensor-values', three);
    await second.close(AbortSignal.abort());
    await expect(second.append('sensor-values', three)).rejects.toThrow(/closed/);

    const third = await folder.opened({ writer: beginWriter() });
    const { entries } = await third.next('sensor-values', 0, 10, soon());
    expect(entries.map((entry) => entry.form === 'reading' && entry.value)).toEqual([1, 2, 3, 1, 2, 3]);
    expect(folder.told('loss')).toEqual([]);
  });
});
