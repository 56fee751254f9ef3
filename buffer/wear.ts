import { readFileSync, statSync } from 'node:fs';

/** What was written to a disk, and in how long a time of running. */
export interface Written {
  readonly bytes: number;
  readonly runningMs: number;
}

/** What the buffer has written; `recent`: in the last one to two days of running, so that a changed configuration shows soon. */
export interface Wear {
  readonly total: Written;
  readonly recent: Written;
}

const dayMs = 86_400_000;
/** Less tells nothing of a day. */
const leastRunningMs = 60_000;
const nothing: Written = { bytes: 0, runningMs: 0 };

/**
 * Counts over all starts what the buffer writes. It rides with the newest slots, so it costs no write of its own, and a kill forgets ten minutes of it
 * at commits of a second. Time is time of running: no wall clock, and no time in which the machine was off.
 */
export class WearMeter {
  #wear: Wear = { total: nothing, recent: nothing };
  #seen: Written = nothing;

  /** What earlier starts counted. */
  goOn(before: Wear): void {
    this.#wear = { total: sum(before.total, this.#wear.total), recent: sum(before.recent, this.#wear.recent) };
  }

  /** `since`: written since this start, and how long ago that was. */
  now(since: Written): Wear {
    const more = { bytes: since.bytes - this.#seen.bytes, runningMs: since.runningMs - this.#seen.runningMs };
    this.#seen = since;
    const recent = sum(this.#wear.recent, more);
    this.#wear = {
      total: sum(this.#wear.total, more),
      recent: recent.runningMs < 2 * dayMs ? recent : half(recent),
    };
    return this.#wear;
  }
}

/** null: it has not run long enough to say. */
export function bytesPerDay({ bytes, runningMs }: Written): number | null {
  return runningMs < leastRunningMs ? null : Math.round((bytes / runningMs) * dayMs);
}

/**
 * Bytes that this thread has made the kernel write: whole pages, without the journal of the file system (`write_bytes` of proc_pid_io(5)). null where
 * the kernel does not count. The writer thread writes nothing but the buffer.
 */
export function writtenByThread(): number | null {
  try {
    const found = /^write_bytes: (\d+)$/m.exec(readFileSync('/proc/thread-self/io', 'latin1'))?.[1];
    return found === undefined ? null : Number(found);
  } catch {
    return null;
  }
}

/** What a whole device has taken since the machine was started, by whomever. */
export interface DeviceWear extends Written {
  /** As the kernel names it: `mmcblk0`. */
  readonly device: string;
}

/**
 * The device under a folder. File systems write more than programs hand them, and others write too: this is what wears a card out. null where no
 * kernel tells: not Linux, memory, a file system that lies on no single device. `root`: tests put a tree of their own there.
 */
export function deviceWear(folder: string, root = '/'): DeviceWear | null {
  try {
    const number = BigInt(statSync(folder).dev);
    // makedev(3): minor numbers above 255 have their upper bits above bit 19.
    const major = (number >> 8n) & 0xfffn;
    const minor = (number & 0xffn) | ((number >> 12n) & 0xfff00n);
    const block = `${root}sys/dev/block/${major}:${minor}`;
    const isPartition = fieldOf(`${block}/uevent`, /^DEVTYPE=(.+)$/m) === 'partition';
    const whole = isPartition ? `${block}/..` : block;
    // Documentation/block/stat.rst: the seventh number counts sectors of 512 bytes.
    const sectors = Number(fieldOf(`${whole}/stat`, /^\s*(?:\d+\s+){6}(\d+)/));
    const uptimeMs = Number(fieldOf(`${root}proc/uptime`, /^([\d.]+)/)) * 1000;
    return { device: fieldOf(`${whole}/uevent`, /^DEVNAME=(.+)$/m), bytes: sectors * 512, runningMs: uptimeMs };
  } catch {
    return null;
  }
}

/** Throws what the file system throws, and RangeError where the field is missing. */
function fieldOf(file: string, form: RegExp): string {
  const found = form.exec(readFileSync(file, 'latin1'))?.[1];
  if (found === undefined) throw new RangeError(`${file} has no ${String(form)}`);
  return found;
}

function sum(a: Written, b: Written): Written {
  return { bytes: a.bytes + b.bytes, runningMs: a.runningMs + b.runningMs };
}

function half({ bytes, runningMs }: Written): Written {
  return { bytes: Math.round(bytes / 2), runningMs: Math.round(runningMs / 2) };
}
