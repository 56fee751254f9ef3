import type { BufferStats } from '../../buffer/buffer.ts';
import type { Stamp } from '../clock.ts';
import type { ForwarderState } from '../forwarder/forwarder.ts';
import type { PollerState } from '../poller/poller.ts';
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
  /** Why the file as it is now was not taken up, since when; null: what runs is what the file says, as far as anybody asked. */
  readonly refusedConfig: RefusedConfig | null;
  /** How often each event happened since the start. */
  readonly events: ReadonlyMap<EventName, number>;
}

export interface RefusedConfig {
  readonly atMs: number;
  readonly reason: string;
}

export interface DeviceState extends PollerState {
  readonly connection: string;
}
