import type { Driver } from '../driver.ts';
import { borrowLink } from './borrowed-link.ts';
import { openLink } from './open-link.ts';
import type { ModbusPlan } from './plan.ts';
import { ModbusSession } from './session.ts';

export const driver: Driver<ModbusPlan> = {
  async open(plan, host, signal) {
    const timeouts = plan.devices.flatMap((device) => device.points.map((point) => point.timeoutMs));
    const borrowed = await borrowLink(plan.transport, host, signal);
    const link = borrowed ?? (await openLink(plan, Math.max(0, ...timeouts), host.clock, signal));
    // The owner of a borrowed line takes one question after the other.
    return new ModbusSession(borrowed === null ? plan : { ...plan, maxInFlight: 1 }, link, host);
  },
};
