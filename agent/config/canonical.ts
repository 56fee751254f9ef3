import { createHash } from 'node:crypto';

/** First 12 hex digits of SHA-256 over JSON with sorted keys: the same content has the same name on every machine. */
export function contentHash(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex').slice(0, 12);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const object = value as Readonly<Record<string, unknown>>;
  const pairs: string[] = [];
  for (const key of Object.keys(object).toSorted())
    if (object[key] !== undefined) pairs.push(`${JSON.stringify(key)}:${canonical(object[key])}`);
  return `{${pairs.join(',')}}`;
}

/** Freezes plain objects and lists all the way down; leaves bytes, maps and instances of classes alone. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return value;
  Object.freeze(value);
  for (const each of Object.values(value)) deepFreeze(each);
  return value;
}
