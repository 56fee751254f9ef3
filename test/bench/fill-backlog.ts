/**
 * Fills a buffer's folder as a long outage would, without the hours that it takes, and ends; a process of its own. Parameters: the folder, how many
 * readings, how many a commit, how many commits an hour (then the segment is sealed by its age; 0: by its size alone).
 */
import type { Stamp } from '../../agent/clock.ts';
import { FrameEncoder } from '../../buffer/frames/encoder.ts';
import { NewestSlots } from '../../buffer/newest-slots.ts';
import { Store } from '../../buffer/store.ts';
import { backlogPoints, backlogReading } from './backlog-site.ts';

const [folder = '', count = '0', perCommit = '1000', commitsPerHour = '0'] = process.argv.slice(2);
const hourMs = 3_600_000;
let passedMs = 0;
performance.now = () => passedMs;

const store = new Store({ path: folder, maxBytes: 2_000_000_000 }, (event) => console.error(event.message));
let seq = store.opened().nextSeq;
const slots = new NewestSlots().pack(null);
let wantsSlots = true;
const encoder = new FrameEncoder();
const points = backlogPoints();
const began: Stamp = { boot: 'b-1', bootMs: 1_000_000, wallMs: Date.now() - 30 * 24 * hourMs, trust: 'synced' };
for (let done = 0, commits = 0; done < Number(count); commits += 1) {
  const ofThis = Math.min(Number(perCommit), Number(count) - done);
  const at: Stamp = { ...began, bootMs: began.bootMs + commits * 1000, wallMs: began.wallMs + commits * 1000 };
  const entries = Array.from({ length: ofThis }, (_, row) => ({
    seq: seq++,
    entry: backlogReading(points, done + row, at),
  }));
  const frames = [encoder.encode(at, 'sensor-values', entries)];
  const described = encoder.takeDescribed();
  const commit = {
    frames,
    described,
    slots: wantsSlots ? slots : null,
    dating: [],
    maxBytes: null,
    drops: [],
    heard: 0,
  };
  ({ wantsSlots } = store.commit(commit));
  done += ofThis;
  if (Number(commitsPerHour) > 0 && (commits + 1) % Number(commitsPerHour) === 0) passedMs += hourMs + 1;
}
store.close([]);
