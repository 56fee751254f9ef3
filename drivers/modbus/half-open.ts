import type { Link } from './link.ts';
import type { ReadyDevice } from './ready-device.ts';

/**
 * A silent device is its own matter, until it fell silent twice, every neighbour that is alive was asked in vain, and nothing at all was heard on the
 * socket in between: then the socket may be half open, where TCP itself would notice only after minutes.
 */
export class HalfOpen {
  readonly #link: Link;
  /** Devices that fell silent, with all that had been heard on the socket by then. */
  readonly #silentSince = new Map<ReadyDevice, number>();

  constructor(link: Link) {
    this.#link = link;
  }

  /** A device's cycle, or a probe of it, ended in silence. Gives the link up where that is likely to help. */
  suspect(device: ReadyDevice, all: Iterable<ReadyDevice>): void {
    if (!this.#link.canBeHalfOpen) return;
    const heard = this.#link.bytesHeard;
    const isSilentAgain = this.#silentSince.get(device) === heard;
    this.#silentSince.set(device, heard);
    const others = [...all].filter((other) => other !== device && !other.liveness.isDegraded);
    // As long as a neighbour was not asked in vain too, it is the device.
    if (isSilentAgain && others.every((other) => this.#silentSince.get(other) === heard))
      this.#link.lose('nothing was heard through two polls of a device');
  }
}
