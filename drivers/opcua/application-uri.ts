import { hostname } from 'node:os';
import type { Home } from '../driver.ts';

/** What this gateway calls itself (OPC UA Part 4, ApplicationDescription), until a certificate is made; from then on what that one says. */
export function applicationUri(home: Pick<Home, 'gateway'> | undefined, host = hostname()): string {
  const machine = host.toLowerCase().replaceAll(/[^a-z0-9.-]/g, '-') || 'localhost';
  return `urn:${machine}:sluice:${home?.gateway ?? 'tool'}`;
}
