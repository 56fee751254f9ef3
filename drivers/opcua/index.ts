import type { Driver } from '../driver.ts';
import type { OpcUaPlan } from './plan.ts';
import { OpcUaSession } from './session.ts';
import { openWire } from './wire.ts';

export const driver: Driver<OpcUaPlan> = {
  async open(plan, host, signal) {
    return OpcUaSession.start(plan, await openWire(plan, host, signal), host);
  },
};
