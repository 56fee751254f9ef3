import type { SaidOfPoint } from '../../drivers/driver.ts';

/** Units that devices said of points whose configuration names none. */
export class SaidUnits {
  readonly #units = new Map<string, string | null>();

  /** Whether something of it is news. */
  take(said: readonly SaidOfPoint[]): boolean {
    let isNew = false;
    for (const { device, point, unit } of said) {
      const key = `${device}\n${point}`;
      isNew ||= this.#units.get(key) !== unit;
      this.#units.set(key, unit);
    }
    return isNew;
  }

  /** undefined: it was not asked yet. */
  of(device: string, point: string): string | null | undefined {
    return this.#units.get(`${device}\n${point}`);
  }
}
