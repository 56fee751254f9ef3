import type { LastTotal } from '../../buffer/buffer.ts';
import type { GatewayEvent, PointInfo, Reading } from '../reading.ts';

/** What a total may do between two readings. Numbers in the point's unit; null: not stated. */
export interface CounterRule {
  /** The total at which the counter begins at 0 again. */
  readonly modulus: number | null;
  readonly maxRate: Rate | null;
  /** It may fall as well (import less export): `maxRate` then judges both directions. Never beside a modulus. */
  readonly decreases: boolean;
}

/** `"40/h"`: `amount` per `perMs`. */
export interface Rate {
  readonly amount: number;
  readonly perMs: number;
}

/** One reading of a counter: its value and when it was made. */
export interface Seen {
  readonly value: number;
  /** The boot of the machine that `bootMs` counts from; null: an earlier run of the process, and not known. */
  readonly boot: string | null;
  readonly bootMs: number;
  readonly wallMs: number;
  /** The wall clock was known to be right. */
  readonly isTrusted: boolean;
}

/** A meter that was replaced is believed at this many readings in a row which fit each other. */
const ENOUGH_IN_A_ROW = 3;
/** Where the rate cannot be judged a drop is a rollover if the counter went on by less than this part of its modulus: a replaced meter rarely does. */
const ROLLOVER_SHARE = 0.1;
/** Jumps of one point are told at most this often, so that a counter which runs backwards does not fill the lane of events. */
const TELL_AGAIN_MS = 15 * 60_000;

/** How long it truly was; null: nobody knows. Over a restart only the wall clock tells, and only if it was right both times. */
export function elapsedMs(from: Seen, to: Seen): number | null {
  if (from.boot !== null && from.boot === to.boot) return to.bootMs - from.bootMs;
  const ms = to.wallMs - from.wallMs;
  return from.isTrusted && to.isTrusted && ms >= 0 ? ms : null;
}

/**
 * Whether `to` can follow `from`: the counter went on, or over its modulus, by no more than the rate allows; null: it cannot. Without a known time
 * between them no rate is judged.
 */
function stepBetween(from: Seen, to: Seen, { modulus, maxRate, decreases }: CounterRule): 'on' | 'over' | null {
  const rise = to.value - from.value;
  const ms = elapsedMs(from, to);
  // One step of the last digit on top: a meter that counts whole m3 makes a step of 1 in no time.
  const most =
    maxRate === null || ms === null
      ? Infinity
      : (maxRate.amount * ms) / maxRate.perMs + lastDigit(from.value, to.value);
  if (rise >= 0 || decreases) return Math.abs(rise) <= most ? 'on' : null;
  if (modulus === null || to.value < 0) return null;
  return rise + modulus >= 0 &&
    rise + modulus <= Math.min(most, most === Infinity ? modulus * ROLLOVER_SHARE : Infinity)
    ? 'over'
    : null;
}

function lastDigit(...values: readonly number[]): number {
  return 10 ** -Math.max(...values.map((value) => /\.(\d+)$/.exec(String(value))?.[1]?.length ?? 0));
}

/** Its number is sent as it is: whoever bills by it decides. */
export function doubted(reading: Reading): Reading {
  return { ...reading, quality: 'uncertain', status: 'UncertainSensorNotAccurate' };
}

/** Another meter hangs there now, known by its serial number. */
export interface Replaced {
  readonly oldSerial: string;
  readonly newSerial: string;
}

/**
 * Watches one counter: what cannot follow the last good reading is marked `uncertain`; its number is never changed. The last
 * good reading stays what others are held against until three in a row fit each other, or another meter is known to hang there.
 */
export class CounterWatch {
  #good: Seen | null = null;
  /** The newest of those marked, and how many in a row fit each other. */
  #doubted: { readonly seen: Seen; readonly inARow: number } | null = null;
  #replaced: (Replaced & { readonly old: number }) | null = null;
  #toldBootMs = -Infinity;
  #untold = 0;

  /** `last`: of an earlier run, or before the configuration changed. It counts only for the register map and serial number that it was read under. */
  constructor(last: LastTotal | undefined, { map, serial }: Pick<PointInfo, 'map' | 'serial'>) {
    if (last === undefined) return;
    const { value, timeMs, isTimeTrusted } = last;
    this.#good = { value, boot: null, bootMs: 0, wallMs: timeMs, isTrusted: isTimeTrusted };
    if (last.serial !== null && serial !== null && last.serial !== serial)
      this.replaced({ oldSerial: last.serial, newSerial: serial });
    else if (last.map !== map) this.#good = null;
  }

  /** The next good reading is believed, whatever it is, and told beside the last one. */
  replaced(by: Replaced): void {
    if (this.#good !== null) this.#replaced = { ...by, old: this.#good.value };
    this.#good = null;
    this.#doubted = null;
  }

  /** Readings in order of time. What is not good already says nothing about the counter and is left as it is. */
  check(reading: Reading, rule: CounterRule): { readonly reading: Reading; readonly event: GatewayEvent | null } {
    if (reading.quality !== 'good' || reading.value === null) return { reading, event: null };
    const { boot, bootMs, wallMs, trust } = reading.at;
    const seen: Seen = { value: reading.value, boot, bootMs, wallMs, isTrusted: trust === 'synced' };
    const good = this.#good;
    const step = good === null ? 'on' : stepBetween(good, seen, rule);
    if (step !== null) {
      const replaced = this.#replaced;
      this.#good = seen;
      this.#doubted = null;
      this.#replaced = null;
      if (replaced !== null) return { reading, event: begunAnew(reading, replaced) };
      return { reading, event: step === 'over' && good !== null ? rollover(reading, good.value, rule) : null };
    }
    const fits = this.#doubted !== null && stepBetween(this.#doubted.seen, seen, rule) !== null;
    const inARow = fits ? (this.#doubted?.inARow ?? 0) + 1 : 1;
    if (inARow >= ENOUGH_IN_A_ROW && good !== null) {
      this.#good = seen;
      this.#doubted = null;
      return { reading, event: believed(reading, good.value) };
    }
    this.#doubted = { seen, inARow };
    return { reading: doubted(reading), event: fits || good === null ? null : this.#tell(reading, good, seen, rule) };
  }

  #tell(
    { point: { device, point, unit } }: Reading,
    good: Seen,
    seen: Seen,
    { decreases }: CounterRule,
  ): GatewayEvent | null {
    if (seen.bootMs - this.#toldBootMs < TELL_AGAIN_MS) {
      this.#untold++;
      return null;
    }
    const untold = this.#untold;
    this.#toldBootMs = seen.bootMs;
    this.#untold = 0;
    const how = seen.value > good.value ? 'rose faster than maxRate' : decreases ? 'fell faster than maxRate' : 'fell';
    const ms = elapsedMs(good, seen);
    const within = ms === null ? '' : ` in ${ms / 1000} s`;
    return {
      event: 'counter-jump',
      severity: 'warning',
      device,
      point,
      message: `Device ${device}: ${point} ${how}, from ${good.value} to ${seen.value}${unit === null ? '' : ` ${unit}`}${within}; it is sent as uncertain until ${ENOUGH_IN_A_ROW} readings in a row fit each other. Compare with the meter; check its modulus and maxRate.`,
      facts: { old: good.value, new: seen.value, elapsedMs: ms, untold },
    };
  }
}

function begunAnew(
  { point: { device, point, unit }, value }: Reading,
  { old, oldSerial, newSerial }: Replaced & { readonly old: number },
): GatewayEvent {
  return {
    event: 'counter-jump',
    severity: 'info',
    device,
    point,
    message: `Device ${device}: ${point} is that of another meter now, serial ${newSerial} after ${oldSerial}: from ${old} to ${value}${unit === null ? '' : ` ${unit}`}.`,
    facts: { old, new: value, newBaseline: true, oldSerial, newSerial },
  };
}

function believed({ point: { device, point, unit }, value }: Reading, old: number): GatewayEvent {
  return {
    event: 'counter-jump',
    severity: 'info',
    device,
    point,
    message: `Device ${device}: ${point} is believed again at ${value}${unit === null ? '' : ` ${unit}`}, ${old} before: ${ENOUGH_IN_A_ROW} readings in a row fit each other. The difference is no consumption.`,
    facts: { old, new: value, newBaseline: true },
  };
}

function rollover({ point: { device, point, unit }, value }: Reading, old: number, rule: CounterRule): GatewayEvent {
  return {
    event: 'counter-rollover',
    severity: 'info',
    device,
    point,
    message: `Device ${device}: ${point} began again, from ${old} to ${value}${unit === null ? '' : ` ${unit}`}; its modulus is ${rule.modulus}.`,
    facts: { old, new: value, modulus: rule.modulus },
  };
}
