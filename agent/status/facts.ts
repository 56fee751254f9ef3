import type { BufferStats } from '../../buffer/buffer.ts';
import type { Stamp } from '../clock.ts';
import type { ForwarderState } from '../forwarder.ts';
import type { PollerState } from '../poller.ts';
import type { EventName } from '../reading.ts';
import type { SupervisorState } from '../supervisor.ts';

/** What the parts of a gateway say of themselves, unabridged. What people and programs are shown is made of it. */
export interface GatewayStatus {
  readonly gateway: string;
  readonly site: string | null;
  readonly epoch: string;
  readonly startedAt: Stamp;
  readonly now: Stamp;
  readonly isStopping: boolean;
  readonly connections: readonly SupervisorState[];
  readonly devices: readonly DeviceState[];
  readonly buffer: BufferStats;
  readonly uplink: Readonly<Record<string, ForwarderState>>;
  /** Readings that the buffer did not take, since the start. */
  readonly refusedReadings: number;
  /** How often each event happened since the start. */
  readonly events: ReadonlyMap<EventName, number>;
}

export interface DeviceState extends PollerState {
  readonly connection: string;
}
