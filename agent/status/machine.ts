import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Names the machine: 32 hex digits, the same at every start, another on other hardware; null: nothing here tells one machine from another.
 * A cloned card carries `/etc/machine-id` with it, so what is soldered counts too: the board's serial number, else the firmware's UUID, else
 * the addresses of built-in network cards. Hashed with the gateway's id: nobody learns a serial number, or that two gateways share a machine.
 * `root` is for tests.
 */
export function machineHash(gateway: string, root = '/'): string | null {
  const parts = [
    text(root, 'etc/machine-id'),
    text(root, 'sys/firmware/devicetree/base/serial-number') ??
      text(root, 'sys/class/dmi/id/product_uuid') ??
      networkCards(root),
  ];
  if (parts.every((part) => part === null)) return null;
  return createHash('sha256')
    .update(JSON.stringify(['sluice', gateway, ...parts]))
    .digest('hex')
    .slice(0, 32);
}

function text(root: string, file: string): string | null {
  try {
    return readFileSync(join(root, file), 'utf8').replaceAll('\0', '').trim() || null;
  } catch {
    return null;
  }
}

/** Those that a device stands behind; not on USB, for they come and go. */
function networkCards(root: string): string | null {
  const folder = join(root, 'sys/class/net');
  try {
    const builtIn = readdirSync(folder).filter((card) => {
      const place = readlinkSync(join(folder, card));
      return !/\/(virtual|usb\d*)\//.test(place);
    });
    const addresses = builtIn.flatMap((card) => text(root, join('sys/class/net', card, 'address')) ?? []);
    return addresses.toSorted().join(' ') || null;
  } catch {
    return null;
  }
}
