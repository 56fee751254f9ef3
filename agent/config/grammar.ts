/**
 * The words that configuration schemas are made of, for the agent and for drivers. A leaf: imports only valibot.
 *
 * Every piece carries its own message: the end of the sentence "KEY is VALUE; …", normally `allowed: …`. The loader puts key and value
 * before it. A driver that uses valibot's own pieces gives them such a message too (`oneOf`, `allowed()`).
 */
import { isIPv6 } from 'node:net';
import { inspect } from 'node:util';
import * as v from 'valibot';

/** The end of a problem's sentence: what may stand there. */
export const allowed = (what: string): string => `allowed: ${what}`;

/** The end of a problem's sentence for what a later version brings. */
export const notYet = 'not in this version';

/** What the loader does with a text besides checking it: `secret` resolves and hides it, `path` and `file` count from the file's folder, `file` must be readable. */
export interface Role {
  readonly role: 'secret' | 'path' | 'file';
}

/** What the reference and an editor say of a key besides its description. Texts as they stand in the file: `"1s"`, not 1000. */
export interface KeyDoc {
  /** What holds where nobody states the key. Only told here: who needs the value gives it. */
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
}

/**
 * A key as a field engineer reads of it: one or two sentences, Markdown for code words only. Stands inside `v.optional`, so that the
 * default of an optional key is told too.
 */
export function doc<const Schema extends v.GenericSchema>(schema: Schema, description: string, more: KeyDoc = {}) {
  return v.pipe(schema, v.metadata({ description, ...more }));
}

const nameForm = (most: number): string => allowed(`1 to ${most} of the characters A-Z a-z 0-9 . _ -`);

/** What is wrong with a name, besides what is allowed. */
function nameMessage(most: number): (issue: { readonly input: unknown }) => string {
  return ({ input }) => {
    if (typeof input !== 'string' || input === '') return nameForm(most);
    const strange = new Set(Array.from(input).filter((character) => !/[A-Za-z0-9._-]/.test(character)));
    if (strange.size > 0) return `${nameForm(most)}; not ${[...strange].slice(0, 5).map(characterText).join(' ')}`;
    return input.length > most ? `${nameForm(most)}; these are ${input.length}` : nameForm(most);
  };
}

/** A character so that one sees it. */
function characterText(character: string): string {
  if (character === ' ') return 'blanks';
  const isSeen = /^[^\p{C}\p{Z}\p{M}]$/u.test(character);
  return isSeen ? character : `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** Ids of gateways, sites, connections, devices, profiles and points. */
export function id() {
  const message = nameMessage(64);
  return v.pipe(v.string(message), v.regex(/^[A-Za-z0-9._-]{1,64}$/, message));
}

/** The name of a Kafka topic. */
export function topicName() {
  const message = nameMessage(249);
  return v.pipe(v.string(message), v.regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/, message));
}

/** Text for people: no control characters. */
export function text(maxLength = 256) {
  const message = allowed(`text of 1 to ${maxLength} characters`);
  return v.pipe(v.string(message), v.regex(/^\P{Cc}+$/u, message), v.maxLength(maxLength, message));
}

export function flag() {
  return v.boolean(allowed('true or false'));
}

/** A whole number within bounds. `what` replaces `MIN…MAX` in the message. */
export function integer(min: number, max: number, what = `${min}…${max}`) {
  const message = allowed(what);
  return v.pipe(v.number(message), v.integer(message), v.minValue(min, message), v.maxValue(max, message));
}

/** A number, not necessarily whole; never infinite. */
export function number(what = 'a number') {
  const message = allowed(what);
  return v.pipe(v.number(message), v.finite(message));
}

/** One of some words. `coming`: words that DESIGN knows and this version does not. */
export function oneOf<const Words extends readonly string[]>(words: Words, coming: readonly string[] = []) {
  const message = allowed(words.join(', '));
  return v.picklist(words, (issue) =>
    coming.some((word) => word === issue.input) ? `${notYet}; ${message}` : message,
  );
}

/** A key that is known and does not fit here: refused by name. `reason` ends the sentence "KEY is …". */
export function unfit(reason: string) {
  return v.optional(v.never(reason));
}

/** A list with at least one item. */
export function list<const Item extends v.GenericSchema>(item: Item, what = 'a list with at least one item') {
  const message = allowed(what);
  return v.pipe(v.array(item, message), v.minLength(1, message));
}

/** An object with exactly these keys. */
export function object<const Entries extends v.ObjectEntries>(entries: Entries) {
  return v.strictObject(entries, allowed(`an object { ${Object.keys(entries).join(', ')} }`));
}

/** Names and texts, both free. */
export function labels() {
  return v.record(text(64), text(), allowed('an object of texts'));
}

/** An OBIS code (IEC 62056-61), `A-B:C.D.E*F` of 0…255 each; A-B, E and F may be missing. Kept as written. */
export function obis() {
  const message = allowed('an OBIS code of numbers 0…255, e.g. "1-0:1.8.0"');
  const group = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
  const form = new RegExp(`^(?:${group}-${group}:)?${group}\\.${group}(?:\\.${group}(?:\\*${group})?)?$`);
  return v.pipe(v.string(message), v.regex(form, message));
}

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const durationForm = /^(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)$/;

/** `"750ms"` → 750; undefined when it is not one number and one unit, or not whole milliseconds. */
export function durationMs(value: string): number | undefined {
  const match = durationForm.exec(value);
  if (match === null) return undefined;
  const ms = Number((Number(match[1]) * unitMs[match[2] as keyof typeof unitMs]).toPrecision(15));
  return Number.isInteger(ms) ? ms : undefined;
}

/** Milliseconds as the shortest duration text. */
export function durationText(ms: number): string {
  const unit = (['d', 'h', 'm', 's'] as const).find((name) => ms !== 0 && ms % unitMs[name] === 0) ?? 'ms';
  return `${ms / unitMs[unit]}${unit}`;
}

/** `"750ms"`, `"1s"`, `"15m"`: one number and one unit, read as milliseconds. */
export function duration(bounds: { minMs?: number; maxMs?: number } = {}) {
  const { minMs = 0, maxMs = Number.MAX_SAFE_INTEGER } = bounds;
  const most = bounds.maxMs === undefined ? ' or more' : `…${durationText(maxMs)}`;
  const message = allowed(`${durationText(minMs)}${most}, as one number and one unit (ms s m h d, no space)`);
  return v.pipe(
    v.string(message),
    v.regex(durationForm, message),
    v.check((value) => {
      const ms = durationMs(value);
      return ms !== undefined && ms >= minMs && ms <= maxMs;
    }, message),
    v.transform((value) => durationMs(value) ?? 0),
  );
}

const unitBytes = {
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
} as const;

const sizeForm = /^(\d{1,9}(?:\.\d{1,6})?)(KB|MB|GB|TB|KiB|MiB|GiB|TiB)$/;

/** `"2GB"` → 2000000000; undefined when it is not one number and one unit. */
export function sizeBytes(value: string): number | undefined {
  const match = sizeForm.exec(value);
  return match === null ? undefined : Math.round(Number(match[1]) * unitBytes[match[2] as keyof typeof unitBytes]);
}

/** `"2GB"` (1000), `"512MiB"` (1024), read as bytes. `min` as text. */
export function size(min: string) {
  const message = allowed(`${min} or more, as one number and one of KB MB GB TB KiB MiB GiB TiB`);
  return v.pipe(
    v.string(message),
    v.regex(sizeForm, message),
    v.check((value) => (sizeBytes(value) ?? -1) >= (sizeBytes(min) ?? 0), message),
    v.transform((value) => sizeBytes(value) ?? 0),
  );
}

const byte = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
/** What ends in a number is an IPv4 address or nothing: the system would read `10.1` and `010.0.0.1` as addresses that nobody meant. */
const nameOrIpv4 = `(?:(?:${byte}\\.){3}${byte}|(?![.-])(?![A-Za-z0-9._-]*\\.\\.)(?!(?:[A-Za-z0-9_-]*\\.)*(?:\\d+|0[xX][0-9A-Fa-f]*)\\.?(?![A-Za-z0-9._-]))[A-Za-z0-9._-]{1,253})`;
const hostForm = new RegExp(`^(?:${nameOrIpv4}|(?=(?:[^:]*:){2})[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9._-]+)?)$`);

const written = (input: unknown): string =>
  typeof input === 'string' || typeof input === 'number' ? String(input) : '';

const hostMessage = ({ input }: { readonly input: unknown }): string =>
  `${allowed('a host name or an IP address, without scheme, port or path')}${ipv4Fault(written(input))}`;

/** A host name or address, without scheme or port. */
export function host() {
  return v.pipe(
    v.string(hostMessage),
    v.regex(hostForm, hostMessage),
    v.check((value) => !value.includes(':') || isIPv6(value), hostMessage),
  );
}

/** Why numbers with points are no address. */
function ipv4Fault(input: string): string {
  const parts = /^[\d.]+$/.test(input) ? input.split('.') : [];
  const large = parts.find((part) => Number(part) > 255);
  if (large !== undefined) return `; ${large} is more than 255`;
  return parts.length > 0 && parts.length !== 4 ? '; an IPv4 address has four numbers' : '';
}

/** A TCP or UDP port: 1 to 65535. */
export function port() {
  return integer(1, 65_535);
}

const hostPortForm = new RegExp(
  `^(?:\\[([0-9A-Fa-f:.%]+)\\]|(${nameOrIpv4})):(?!0+$)([0-5]?\\d{1,4}|6[0-4]\\d{3}|65[0-4]\\d\\d|655[0-2]\\d|6553[0-5])$`,
);

/** `host:port`, `[::1]:port` → its parts; undefined when it is neither. */
export function splitHostPort(value: string): { host: string; port: number } | undefined {
  const match = hostPortForm.exec(value);
  return match === null ? undefined : { host: match[1] ?? match[2] ?? '', port: Number(match[3]) };
}

/** `host:port`, left as text. */
export function hostPort(example = 'kafka-1.example:9093') {
  const message = ({ input }: { readonly input: unknown }): string =>
    `${allowed(`HOST:PORT, e.g. "${example}"`)}${hostPortFault(written(input))}`;
  return v.pipe(v.string(message), v.regex(hostPortForm, message));
}

function hostPortFault(input: string): string {
  const [, where = '', end] = /^(?:[a-z][\w+-]*:\/\/)?([^:/]*)(?::(\d*))?\/?$/i.exec(input) ?? [];
  if (/^\d+$/.test(input)) return '; its host is missing';
  if (where !== '' && (end === undefined || end === '')) return '; its port is missing';
  if (end !== undefined && (Number(end) < 1 || Number(end) > 65_535)) return `; ports are 1…65535`;
  return where === '' && end !== undefined ? '; its host is missing' : ipv4Fault(where);
}

/** A path that may come to be; counts from the folder of the configuration. */
export function path() {
  return v.pipe(text(4096), v.metadata({ role: 'path' } satisfies Role));
}

/** A file that must be readable at the start; counts from the folder of the configuration. */
export function file() {
  return v.pipe(text(4096), v.metadata({ role: 'file' } satisfies Role));
}

/** A password and the like: text, `"${env:NAME}"` or `"${file:PATH}"`. In loaded settings it is a `Secret`; its value is in no message. */
export function secret() {
  const message = allowed('"${env:NAME}" or "${file:PATH}"');
  return v.pipe(v.string(message), v.minLength(1, message), v.metadata({ role: 'secret' } satisfies Role));
}

/** Holds a secret so that no log, message or dump can show it. */
export class Secret {
  readonly #value: string | null;

  /** null: it was not there, and that was allowed (`check --no-secrets`). */
  constructor(value: string | null) {
    this.#value = value;
  }

  /** Call it where the value goes to its peer, nowhere else. */
  reveal(): string {
    if (this.#value === null) throw new Error('this secret was not resolved when the configuration was loaded');
    return this.#value;
  }

  equals(other: Secret): boolean {
    return this.#value === other.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
