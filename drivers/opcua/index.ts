import { LinkError, messageOf } from '../../agent/errors.ts';
import type { Driver } from '../driver.ts';
import type { OpcUaPlan } from './plan.ts';
import { OpcUaSession } from './session.ts';
import { openWire } from './wire.ts';

export const driver: Driver<OpcUaPlan> = {
  async open(plan, host, signal) {
    const wire = await openWire(plan, signal);
    const session = new OpcUaSession(plan, wire, host);
    try {
      await session.start();
    } catch (error) {
      await session.close();
      if (error instanceof LinkError) throw error;
      throw new LinkError(`${plan.endpoint}: ${messageOf(error)}`, { cause: error });
    }
    return session;
  },
};
