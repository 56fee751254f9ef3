import { describe, expect, it } from 'vitest';
import { Reloads } from '../../agent/reloads.ts';

/** Reloads that end when the test says so. */
function slow(): { reloads: Reloads; begun: () => number; end: () => Promise<void> } {
  let begun = 0;
  let finish: () => void = () => undefined;
  const reloads = new Reloads(() => {
    begun++;
    return new Promise((resolve) => (finish = resolve));
  });
  const end = async (): Promise<void> => {
    finish();
    await new Promise(setImmediate);
  };
  return { reloads, begun: () => begun, end };
}

describe('reloads', () => {
  it('run one at a time; requests that come during one are answered by one more', async () => {
    const { reloads, begun, end } = slow();
    reloads.open();
    for (let request = 0; request < 5; request++) reloads.request();
    expect(begun()).toBe(1);
    await end();
    expect(begun()).toBe(2);
    await end();
    expect(begun()).toBe(2);
    reloads.request();
    expect(begun()).toBe(3);
  });

  it('a request before there is anything to reload is answered then', () => {
    const { reloads, begun } = slow();
    reloads.request();
    expect(begun()).toBe(0);
    reloads.open();
    expect(begun()).toBe(1);
  });

  it('closing waits for the one under way and answers no more', async () => {
    const { reloads, begun, end } = slow();
    reloads.open();
    reloads.request();
    reloads.request();
    let isClosed = false;
    const closed = reloads.close().then(() => (isClosed = true));
    await new Promise(setImmediate);
    expect(isClosed).toBe(false);
    await end();
    await closed;
    expect(begun()).toBe(1);
  });
});
