import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DatingFile, datingIn, datingOnReadOnlyDisk } from '../../buffer/dating/dating-file.ts';
import type { WrongBoot } from '../../buffer/dating/dating.ts';
import { dice, harms } from '../support/damaged-site.ts';
import { fastFolder } from '../torture/record.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(fastFolder, 'sluice-dating-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const names = ['dating.db', 'dating-copy.db'];

function boot(number: number, wallMs = 1_000): WrongBoot {
  return {
    boot: `boot-${number}`,
    first: { seq: number, bootMs: number, wallMs },
    trustedBefore: null,
    heldFrom: number,
    givenUp: 0,
    givenUpBootMs: null,
    sync: null,
    marks: [],
    isBounded: false,
    over: null,
  };
}

const boots = Array.from({ length: 12 }, (_, at) => boot(at + 1));

function kept(rows: readonly WrongBoot[]): void {
  const file = new DatingFile(folder, () => undefined);
  file.keep(rows);
  file.close();
}

/** What a start reads, and all that it tells. */
function started(): { boots: readonly WrongBoot[]; told: string[] } {
  const told: string[] = [];
  const file = new DatingFile(folder, (message) => told.push(message));
  const found = file.boots.toSorted((a, b) => a.first.seq - b.first.seq);
  file.close();
  return { boots: found, told };
}

describe('how readings are dated', () => {
  it('is written nowhere until a clock was wrong', () => {
    expect(started()).toEqual({ boots: [], told: [] });
    expect(names.filter((name) => existsSync(join(folder, name)))).toEqual([]);
  });

  it.each(names)('is known though %s was removed, which is there again then', (name) => {
    kept(boots);
    rmSync(join(folder, name));
    for (let start = 0; start < 2; start++) expect(started()).toEqual({ boots, told: [] });
    rmSync(join(folder, names.find((other) => other !== name) ?? ''));
    expect(started()).toEqual({ boots, told: [] });
  });

  describe.each(names)('with harm to %s', (name) => {
    it.each(Object.entries(harms))('by %s it is the same, and can be kept on', (_, harm) => {
      for (let seed = 1; seed <= 40; seed++) {
        for (const one of names) rmSync(join(folder, one), { force: true });
        kept(boots);
        const file = join(folder, name);
        writeFileSync(file, harm(readFileSync(file), dice(seed)));
        const looked = datingIn(folder, (one) => copied(one)).toSorted((a, b) => a.first.seq - b.first.seq);
        expect({ seed, looked }).toEqual({ seed, looked: boots });
        expect({ seed, onReadOnly: datingOnReadOnlyDisk(folder)?.length }).toEqual({ seed, onReadOnly: boots.length });
        const told: string[] = [];
        const live = new DatingFile(folder, (message) => told.push(message));
        live.keep([boot(3, 2_000), boot(13)]);
        live.close();
        const after = [...boots.with(2, boot(3, 2_000)), boot(13)];
        expect({ seed, ...started() }).toEqual({ seed, boots: after, told: [] });
        expect(told.filter((text) => text.includes('sent as "unsynced"'))).toEqual([]);
        // Each of them alone is enough again.
        for (const one of names) expect({ seed, ...alone(one) }).toEqual({ seed, boots: after, told: [] });
      }
    });
  });

  describe.each(names)('of %s that cannot be read now', (name) => {
    it('is taken from the other, and the file made anew', () => {
      kept(boots);
      const locked = new Database(join(folder, name));
      locked.exec('BEGIN EXCLUSIVE');
      try {
        const { boots: found, told } = started();
        expect(found).toEqual(boots);
        expect(told).toEqual([expect.stringMatching(`${name} cannot be read.*a second file tells`)]);
        expect(started()).toEqual({ boots, told: [] });
      } finally {
        locked.close();
      }
    });

    it('ends the start where the other does not tell all of it, since it may be read again', () => {
      kept(boots);
      rmSync(join(folder, names.find((other) => other !== name) ?? ''));
      const locked = new Database(join(folder, name));
      locked.exec('BEGIN EXCLUSIVE');
      expect(started).toThrow(/locked/);
      locked.close();
      expect(started()).toEqual({ boots, told: [] });
    });
  });

  it('that both files have lost is told', () => {
    kept(boots);
    for (const name of names) writeFileSync(join(folder, name), 'whatever\n'.repeat(500));
    const { boots: found, told } = started();
    expect(found).toEqual([]);
    expect(told).toEqual(
      names.map((name) => expect.stringMatching(`${name} was damaged.*sent as "unsynced"`) as string),
    );
    expect(started()).toEqual({ boots: [], told: [] });
  });

  it('is taken from the newer file, where a kill came between the two', () => {
    kept(boots);
    const copy = readFileSync(join(folder, 'dating-copy.db'));
    kept([boot(3, 2_000)]);
    writeFileSync(join(folder, 'dating-copy.db'), copy);
    const after = boots.with(2, boot(3, 2_000));
    expect(started()).toEqual({ boots: after, told: [] });
    rmSync(join(folder, 'dating.db'));
    expect(started()).toEqual({ boots: after, told: [] });
  });

  it('is forgotten in both files', () => {
    kept(boots);
    const file = new DatingFile(folder, () => undefined);
    file.forget(boots.slice(1).map((one) => one.boot));
    file.close();
    for (const name of names) expect(alone(name)).toEqual({ boots: boots.slice(0, 1), told: [] });
  });
});

function copied(file: string): string {
  const copy = `${file}.look`;
  writeFileSync(copy, readFileSync(file));
  return copy;
}

/** What a start would read of this file without the other. */
function alone(name: string): ReturnType<typeof started> {
  const other = join(folder, names.find((one) => one !== name) ?? '');
  const bytes = readFileSync(other);
  rmSync(other);
  try {
    return started();
  } finally {
    writeFileSync(other, bytes);
  }
}
