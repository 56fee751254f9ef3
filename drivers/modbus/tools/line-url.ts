import * as v from 'valibot';
import { durationMs, host as hostSchema } from '../../../agent/config/grammar.ts';
import { UsageError } from '../../../agent/errors.ts';
import { defaults } from '../defaults.ts';

/** A line as a URL names it. */
export interface LineUrl {
  readonly host: string;
  readonly port: number;
  readonly unitId: number | null;
  readonly timeoutMs: number;
  /** The keys behind `?` that are left. */
  readonly query: Query;
}

export const urlForm = 'modbus://HOST:PORT/UNIT?table=holding&address=0&count=4';

/** `modbus://host:502/1?…`. `keys`: those that the tool itself knows. Throws UsageError. */
export function lineUrl(text: string, keys: readonly string[], usualTimeoutMs: number = defaults.timeoutMs): LineUrl {
  if (/^modbus\+rtu/i.test(text))
    throw new UsageError(`${text}: serial lines are not in this version; allowed: ${urlForm}`);
  const url = URL.parse(text);
  if (url === null) throw new UsageError(`${JSON.stringify(text)} is no URL; allowed: ${urlForm}`);
  if (url.username !== '' || url.password !== '' || url.hash !== '')
    throw new UsageError(`${url.protocol}//${url.host}: Modbus knows no user, password or #; allowed: ${urlForm}`);
  const query = new Query(url.searchParams, [...keys, 'timeout']);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (!v.is(hostSchema(), host))
    throw new UsageError(
      `${text}: ${host === '' ? 'the host is missing' : `${JSON.stringify(host)} is no host`}; allowed: ${urlForm}`,
    );
  const timeoutMs = query.text('timeout') === undefined ? usualTimeoutMs : durationMs(query.text('timeout') ?? '');
  if (timeoutMs === undefined || timeoutMs < 10 || timeoutMs > 60_000)
    throw new UsageError(`timeout is ${JSON.stringify(query.text('timeout'))}; allowed: 10ms…1m, e.g. timeout=500ms`);
  const port = url.port === '' ? defaults.port : Number(url.port);
  if (port === 0) throw new UsageError(`${text}: the port is 0; allowed: 1…65535`);
  return { host, port, unitId: unitIn(url.pathname), timeoutMs, query };
}

function unitIn(path: string): number | null {
  const [, stated = '', ...more] = path.split('/');
  if (stated === '' && more.length === 0) return null;
  const unitId = /^\d{1,3}$/.test(stated) && more.length === 0 ? Number(stated) : Number.NaN;
  if (unitId <= 247 || unitId === 255) return unitId;
  throw new UsageError(
    `the unit is ${JSON.stringify(path.slice(1))}; allowed: 1…247 (or 0 and 255 on TCP), e.g. ${urlForm}`,
  );
}

/** Keys and values behind `?`; those that nobody knows are refused. */
export class Query {
  readonly #values: ReadonlyMap<string, string>;

  constructor(params: URLSearchParams, keys: readonly string[]) {
    for (const key of params.keys()) {
      if (!keys.includes(key))
        throw new UsageError(`${JSON.stringify(key)} is no key here; allowed: ${keys.join(', ')}`);
      if (params.getAll(key).length > 1) throw new UsageError(`${key} stands twice; once is allowed`);
    }
    this.#values = new Map(params);
  }

  text(key: string): string | undefined {
    return this.#values.get(key);
  }

  /** A whole number, also in hex (`0x0BD3`). */
  integer(key: string, from: number, to: number): number | undefined {
    const stated = this.text(key);
    if (stated === undefined) return undefined;
    const number = /^(?:\d{1,6}|0x[0-9A-Fa-f]{1,5})$/.test(stated) ? Number(stated) : Number.NaN;
    if (number >= from && number <= to) return number;
    throw new UsageError(`${key} is ${JSON.stringify(stated)}; allowed: ${from}…${to}`);
  }

  oneOf<Word extends string>(key: string, words: readonly Word[]): Word | undefined {
    const stated = this.text(key);
    if (stated === undefined) return undefined;
    const word = words.find((each) => each === stated);
    if (word !== undefined) return word;
    throw new UsageError(`${key} is ${JSON.stringify(stated)}; allowed: ${words.join(', ')}`);
  }
}
