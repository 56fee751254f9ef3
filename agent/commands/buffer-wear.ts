import { bytesPerDay } from '../../buffer/wear.ts';
import type { DeviceWear, Wear } from '../../buffer/wear.ts';
import { sizeBytes } from '../config/grammar.ts';
import { UsageError } from '../errors.ts';
import type { CommandArgs } from './command.ts';
import { bytesText } from './printing.ts';

const daysAYear = 365.25;

/** As `buffer stats --json` says it. Rates are null until a minute has been counted. */
export interface WearFacts {
  /** Since the buffer was made, and a day by the last one to two days of running; null: not counted. */
  readonly bytes: number | null;
  readonly runningSeconds: number | null;
  readonly bytesPerDay: number | null;
  /** The whole device under the buffer, by everybody, since the machine was started; null: no kernel tells. */
  readonly device: {
    readonly name: string;
    readonly bytes: number;
    readonly uptimeSeconds: number;
    readonly bytesPerDay: number | null;
  } | null;
  /** How long `bytes` of endurance last at the device's rate, else at the buffer's; null: not asked. */
  readonly endurance: { readonly bytes: number; readonly years: number | null } | null;
}

/** Bytes. Throws UsageError. */
export function enduranceOf({ values: { endurance: stated } }: CommandArgs): number | null {
  if (stated === undefined) return null;
  const bytes = sizeBytes(String(stated));
  if (bytes !== undefined && bytes > 0) return bytes;
  throw new UsageError(
    `--endurance is ${JSON.stringify(stated)}; allowed: one number and one of KB MB GB TB KiB MiB GiB TiB, e.g. 30TB`,
  );
}

/** What is known of the wear of a disk. null: not measured, or not yet for long enough. `enduranceBytes`: the maker's figure, all that may ever be written. */
export function wearFacts(wear: Wear | null, device: DeviceWear | null, enduranceBytes: number | null): WearFacts {
  const own = wear && bytesPerDay(wear.recent);
  const whole = device && bytesPerDay(device);
  const rate = Math.max(own ?? 0, whole ?? 0);
  return {
    bytes: wear && wear.total.bytes,
    runningSeconds: wear && Math.round(wear.total.runningMs / 1000),
    bytesPerDay: own,
    device: device && {
      name: device.device,
      bytes: device.bytes,
      uptimeSeconds: Math.round(device.runningMs / 1000),
      bytesPerDay: whole,
    },
    endurance: enduranceBytes === null ? null : { bytes: enduranceBytes, years: yearsOf(enduranceBytes, rate) },
  };
}

/** Lines for a person. */
export function wearText({ bytes, runningSeconds, bytesPerDay: own, device, endurance }: WearFacts): string[] {
  const lines: string[] = [];
  if (bytes !== null && own !== null)
    lines.push(`written: ${rateText(own, bytes, runningSeconds ?? 0, 'of running')}\n`);
  if (device !== null && device.bytesPerDay !== null)
    lines.push(
      `the whole of ${device.name}: ${rateText(device.bytesPerDay, device.bytes, device.uptimeSeconds, "since the machine's start")}\n`,
    );
  const isOfDevice = (device?.bytesPerDay ?? -1) >= (own ?? 0);
  if (endurance !== null)
    lines.push(
      endurance.years === null
        ? `how long a card of ${bytesText(endurance.bytes)} lasts cannot be said yet: nothing was counted\n`
        : `a card of ${bytesText(endurance.bytes)} lasts ${yearsText(endurance.years)} at ${isOfDevice ? 'what the whole device takes' : "the buffer's rate alone"}\n`,
    );
  return lines;
}

function rateText(perDay: number, bytes: number, seconds: number, since: string): string {
  const days = seconds / 86_400;
  const span = days < 1 ? `${(days * 24).toFixed(1)} hours` : `${days.toFixed(1)} days`;
  return `${bytesText(perDay)} a day (${bytesText(bytes)} in ${span} ${since})`;
}

function yearsOf(enduranceBytes: number, perDay: number): number | null {
  return perDay === 0 ? null : Number((enduranceBytes / perDay / daysAYear).toPrecision(3));
}

function yearsText(years: number): string {
  if (years > 100) return 'more than 100 years';
  return years < 2 ? `${Math.floor(years * daysAYear)} days` : `${years.toFixed(0)} years`;
}
