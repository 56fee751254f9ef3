import { UsageError } from '../../../agent/errors.ts';

const last = 247;

/** `1-10,20` → the units, each once, in order. 0 and 255 are only of hosts: on a serial line 0 speaks to all, and nobody answers. Throws UsageError. */
export function unitList(text: string, isSerial: boolean): number[] {
  const isUnit = (unitId: number): boolean =>
    (unitId >= 1 && unitId <= last) || (!isSerial && (unitId === 0 || unitId === 255));
  const units = text.split(',').flatMap((part) => {
    const [, from, to] = /^\s*(\d{1,3})\s*(?:-\s*(\d{1,3})\s*)?$/.exec(part) ?? [];
    const [first, end] = [Number(from), Number(to ?? from)];
    if (!isUnit(first) || !isUnit(end) || first > end)
      throw new UsageError(
        `--units is ${JSON.stringify(text)}; allowed: 1…${last} (or 0 and 255 on TCP), e.g. 1-10,20`,
      );
    return Array.from({ length: end - first + 1 }, (_, at) => first + at).filter(isUnit);
  });
  return [...new Set(units)].toSorted((a, b) => a - b);
}

/** All that a line can have. */
export const allUnits: readonly number[] = Array.from({ length: last }, (_, at) => at + 1);
