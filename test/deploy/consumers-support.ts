import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect } from 'vitest';

const folder = join(import.meta.dirname, '../../deploy/consumers');

/** Text of a record in Kafka, written by hand from the contract. `slotMinutes` counts from 13:00. */
export function reading(seq: number, slotMinutes: number, value: number | null, other: object = {}): string {
  const slot = new Date(Date.UTC(2026, 10, 22, 13, slotMinutes)).toISOString();
  return JSON.stringify({
    id: `ps-12/41-k3v9q0za/${seq}`,
    gateway: 'ps-12',
    site: 'PS12',
    device: 'EM-1',
    asset: null,
    serial: '20-114-7',
    point: 'energy',
    kind: 'counter',
    value,
    text: null,
    unit: 'kW.h',
    quality: value === null ? 'bad' : 'good',
    status: value === null ? 'BadTimeout' : 'Good',
    exceptionCode: null,
    time: slot.replace('.000Z', '.182Z'),
    timeSource: 'gateway',
    clock: 'synced',
    slot,
    map: '9f31c20a77e1',
    raw: null,
    deviceTime: null,
    repeat: false,
    ...other,
  });
}

/** A line of the file that a gateway without a broker writes. */
export function line(topic: string, json: string, key = 'ps-12/EM-1'): string {
  return `{"topic":"${topic}","key":"${key}","timestamp":1763816400182,"value":${json}}\n`;
}

export type ConsumerName = 'finance' | 'reporting' | 'asset-register';

export function startConsumer(name: ConsumerName, ...parameters: string[]): ChildProcess {
  return spawn(process.execPath, [join(folder, `${name}.ts`), ...parameters], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

export async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
  return child.exitCode;
}

/** Rows of a query on a database that another process may be writing; empty while it is not there yet. */
export function rows(file: string, query: string): unknown[] {
  let db: Database.Database;
  try {
    db = new Database(file, { readonly: true, fileMustExist: true });
  } catch {
    return [];
  }
  try {
    return db.prepare(query).raw().all();
  } catch (error) {
    if (error instanceof Database.SqliteError && error.message.startsWith('no such table')) return [];
    throw error;
  } finally {
    db.close();
  }
}

export const patience = { timeout: 25_000, interval: 50 };

export async function untilRows(file: string, query: string, expected: unknown[]): Promise<void> {
  await expect.poll(() => rows(file, query), patience).toEqual(expected);
}
