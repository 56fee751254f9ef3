import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { movedTime } from '../support/moved-time.ts';
import { below } from './random.ts';

const hour = 3_600;
/** Seconds from the truth: minutes, hours, 1970 and 2038 (about). */
const offsets = [-90, 90, -hour, hour, -36 * hour, 400 * hour, -1_764_000_000, 363_000_000];

/** The wall clock of processes that are started with `env`, and the `timedatectl` that they ask (`clock.source`). Needs the tool `faketime`. */
export class SetClock {
  readonly env: Readonly<Record<string, string>>;
  readonly #folder: string;

  /** `before`: a library to load before libfaketime. */
  constructor(folder: string, before: string) {
    this.#folder = folder;
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'timedatectl'), `#!/bin/sh\ncat ${join(folder, 'answer')}\n`);
    chmodSync(join(bin, 'timedatectl'), 0o755);
    this.right();
    const { LD_PRELOAD = '' } = movedTime('+0');
    this.env = {
      LD_PRELOAD: `${before}:${LD_PRELOAD}`,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_TIMESTAMP_FILE: join(folder, 'moved'),
      FAKETIME_NO_CACHE: '1',
      NO_FAKE_STAT: '1',
      PATH: `${bin}:${process.env['PATH'] ?? ''}`,
    };
  }

  /** Somebody sets it wrong, and the kernel says so from then on (adjtimex(2)). Returns what was done. */
  wrong(random: () => number): string {
    const seconds = offsets[below(offsets.length, random)] ?? 0;
    this.#write('answer', 'NTP=yes\nNTPSynchronized=no\n');
    this.#write('moved', `${seconds >= 0 ? '+' : ''}${seconds}\n`);
    return `the clock ${seconds} s off`;
  }

  right(): void {
    this.#write('moved', '+0\n');
    this.#write('answer', 'NTP=yes\nNTPSynchronized=yes\n');
  }

  #write(name: string, text: string): void {
    const file = join(this.#folder, name);
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  }
}
