import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../../agent/clock.ts';
import type { KafkaConfig } from '../../../agent/uplink/kafka.ts';
import type { Destination } from '../../../agent/uplink/uplink.ts';

export const names = ['meter-readings', 'sensor-values', 'asset-metadata', 'gateway-events', 'gateway-status'] as const;

export function settings(bootstrap: string, some: Partial<KafkaConfig> = {}): KafkaConfig {
  const topics = Object.fromEntries(names.map((name) => [name, name])) as Record<Destination, string>;
  return { brokers: [bootstrap], clientId: 'gw', tls: null, sasl: null, topics, compression: 'zstd', ...some };
}

export const realTime: Clock = {
  now: () => ({ boot: 'b', bootMs: Math.round(performance.now()), wallMs: Date.now(), trust: 'synced' }),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
  sleepUntil: (wallMs, signal) => sleep(wallMs - Date.now(), undefined, { signal }),
};

export async function until(holds: () => boolean, timeoutMs = 20_000): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  while (!holds()) {
    if (Date.now() > deadlineMs) throw new Error('waited too long');
    await sleep(20);
  }
}
