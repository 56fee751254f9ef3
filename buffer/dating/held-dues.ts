import type { HeldDue, Seq } from '../../agent/reading.ts';
import type { WrongBoot } from './dating.ts';
import type { Undated } from '../frames/frame.ts';
import { nameOf } from '../newest-slots.ts';

/** When counters were read by earlier runs of the process in this boot, whose readings still wait for their date. */
export class HeldDues {
  readonly #dues = new Map<string, HeldDue[]>();
  readonly #boot: string;
  readonly #heldFrom: Seq;

  /** `boot`: the one that runs; `rows`: of all boots. */
  constructor(boot: string, rows: readonly WrongBoot[]) {
    this.#boot = boot;
    this.#heldFrom = rows.find((row) => row.boot === boot)?.heldFrom ?? Infinity;
  }

  note({ boot, seq, point, due }: Undated): void {
    if (boot !== this.#boot || seq < this.#heldFrom) return;
    const name = nameOf(point.device, point.point);
    const known = this.#dues.get(name);
    if (known === undefined) this.#dues.set(name, [due]);
    else known.push(due);
  }

  of(device: string, point: string): readonly HeldDue[] {
    return this.#dues.get(nameOf(device, point)) ?? [];
  }
}
