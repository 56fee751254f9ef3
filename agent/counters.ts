import type { GatewayEvent, Reading } from './reading.ts';

/** What a total may do between two readings. Both in the point's unit; null: not stated. */
export interface CounterRule {
  /** The total at which the counter begins at 0 again. */
  readonly modulus: number | null;
  readonly maxRate: Rate | null;
}

/** `"40/h"`: `amount` per `perMs`. */
export interface Rate {
  readonly amount: number;
  readonly perMs: number;
}

/** One good reading: its value and when it was made, in boot time. */
interface Seen {
  readonly value: number;
  readonly bootMs: number;
}

/** A meter that was replaced is believed at this many readings in a row which fit each other. */
const ENOUGH_IN_A_ROW = 3;
/** Without `maxRate` a drop is a rollover if the counter went on by less than this part of its modulus: a replaced meter rarely does. */
const ROLLOVER_SHARE = 0.1;
/** Jumps of one point are told at most this often, so that a counter which runs backwards does not fill the lane of events. */
const TELL_AGAIN_MS = 15 * 60_000;

/** Whether `to` can follow `from`: the counter went on, or over its modulus, by no more than the rate allows; null: it cannot. */
export function stepBetween(from: Seen, to: Seen, { modulus, maxRate }: CounterRule): 'on' | 'over' | null {
  const rise = to.value - from.value;
  // One step of the last digit on top: a meter that counts whole m3 makes a step of 1 in no time.
  const most =
    maxRate === null
      ? Infinity
      : (maxRate.amount * (to.bootMs - from.bootMs)) / maxRate.perMs + lastDigit(from.value, to.value);
  if (rise >= 0) return rise <= most ? 'on' : null;
  if (modulus === null || to.value < 0) return null;
  return rise + modulus >= 0 && rise + modulus <= Math.min(most, maxRate === null ? modulus * ROLLOVER_SHARE : Infinity)
    ? 'over'
    : null;
}

function lastDigit(...values: readonly number[]): number {
  return 10 ** -Math.max(...values.map((value) => /\.(\d+)$/.exec(String(value))?.[1]?.length ?? 0));
}

/**
 * Watches one counter of the running process (DESIGN section 6): what cannot follow the last good reading is marked `uncertain`; its number is
 * never changed. The last good reading stays what others are held against until three in a row fit each other.
 */
export class CounterWatch {
  #good: Seen | null = null;
  /** The newest of those marked, and how many in a row fit each other. */
  #doubted: { readonly seen: Seen; readonly inARow: number } | null = null;
  #toldBootMs = -Infinity;
  #untold = 0;

  /** Readings in order of time. What is not good already says nothing about the counter and is left as it is. */
  check(reading: Reading, rule: CounterRule): { readonly reading: Reading; readonly event: GatewayEvent | null } {
    if (reading.quality !== 'good' || reading.value === null) return { reading, event: null };
    const seen = { value: reading.value, bootMs: reading.at.bootMs };
    const good = this.#good;
    const step = good === null ? 'on' : stepBetween(good, seen, rule);
    if (step !== null) {
      this.#good = seen;
      this.#doubted = null;
      return { reading, event: step === 'over' && good !== null ? rollover(reading, good.value, rule) : null };
    }
    const fits = this.#doubted !== null && stepBetween(this.#doubted.seen, seen, rule) !== null;
    const inARow = fits ? (this.#doubted?.inARow ?? 0) + 1 : 1;
    if (inARow >= ENOUGH_IN_A_ROW) {
      this.#good = seen;
      this.#doubted = null;
      return { reading, event: null };
    }
    this.#doubted = { seen, inARow };
    const marked: Reading = { ...reading, quality: 'uncertain', status: 'UncertainSensorNotAccurate' };
    return { reading: marked, event: fits || good === null ? null : this.#tell(reading, good, seen) };
  }

  #tell({ point: { device, point, unit } }: Reading, good: Seen, seen: Seen): GatewayEvent | null {
    if (seen.bootMs - this.#toldBootMs < TELL_AGAIN_MS) {
      this.#untold++;
      return null;
    }
    const untold = this.#untold;
    this.#toldBootMs = seen.bootMs;
    this.#untold = 0;
    const how = seen.value < good.value ? 'fell' : 'rose faster than maxRate';
    const ms = Math.round(seen.bootMs - good.bootMs);
    return {
      event: 'counter-jump',
      severity: 'warning',
      device,
      point,
      message: `Device ${device}: ${point} ${how}, from ${good.value} to ${seen.value}${unit === null ? '' : ` ${unit}`} in ${ms / 1000} s; it is sent as uncertain until ${ENOUGH_IN_A_ROW} readings in a row fit each other. Compare with the meter; check its modulus and maxRate.`,
      facts: { old: good.value, new: seen.value, elapsedMs: ms, untold },
    };
  }
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
