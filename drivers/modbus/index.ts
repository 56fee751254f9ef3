import type { Driver } from '../driver.ts';
import type { ModbusPlan } from './plan.ts';
import { ModbusSession } from './session.ts';
import { openTcpLink } from './transport-tcp.ts';

/** A lost SYN is sent again after one second: a shorter deadline would fail where TCP does not. */
const leastConnectMs = 3000;

export const driver: Driver<ModbusPlan> = {
  async open(plan, host, signal) {
    const timeouts = plan.devices.flatMap((device) => device.points.map((point) => point.timeoutMs));
    const link = await openTcpLink(plan, Math.max(leastConnectMs, ...timeouts), host.clock, signal);
    return new ModbusSession(plan, link, host);
  },
};
