/** Loaded into a daemon before itself: its writer thread goes astray when the file HANG_WHEN is there. HANG_HOW: `computes`, `waits` as for a disk, `throws`, or `aborts` as native code. */
import { existsSync, openSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const { HANG_WHEN: file = '', HANG_HOW: how } = process.env;

function look(): void {
  if (!existsSync(file)) return;
  // A FIFO that nobody writes to: in the system call until the process ends.
  if (how === 'waits') openSync(`${file}.fifo`, 'r');
  if (how === 'throws') throw new Error('the writer thread was told to die');
  if (how === 'aborts') process.kill(process.pid, 'SIGABRT');
  for (;;);
}

if (!isMainThread) {
  look();
  setInterval(look, 50);
}
