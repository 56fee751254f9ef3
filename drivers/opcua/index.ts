import type { Driver } from '../driver.ts';
import type { OpcUaPlan } from './plan.ts';
import { OpcUaSession } from './session.ts';
import { openWire } from './open-wire.ts';

export const driver: Driver<OpcUaPlan> = {
  async open(plan, host, signal, before) {
    const wire = await openWire(plan, host, signal);
    return OpcUaSession.start(plan, wire, host, before instanceof OpcUaSession ? before : null);
  },
};
