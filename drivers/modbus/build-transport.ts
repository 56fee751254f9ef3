import type { PlannedConnection, Report } from '../driver.ts';
import { defaults } from './defaults.ts';
import type { SerialLine, Transport } from './plan.ts';

/** How the devices of a connection are reached; warns of what will not hold. */
export function buildTransport({ driver, settings }: PlannedConnection, report: Report): Transport {
  const set = settings as { host?: string; port?: number } & Partial<SerialLine>;
  if (driver === 'modbus-rtu') {
    const { path = '', baudRate, parity, stopBits } = set;
    warnOfPath(path, report);
    return {
      kind: 'rtu',
      path,
      baudRate: baudRate ?? defaults.baudRate,
      parity: parity ?? defaults.parity,
      stopBits: stopBits ?? defaults.stopBits,
    };
  }
  const kind = driver === 'modbus-rtu-over-tcp' ? 'rtu-over-tcp' : 'tcp';
  return { kind, host: set.host ?? '', port: set.port ?? defaults.port };
}

/** Numbers are given in the order of plugging in: after a restart another line may have this one. */
function warnOfPath(path: string, report: Report): void {
  if (!/^\/dev\/tty(?:USB|ACM)\d+$/.test(path)) return;
  report(
    'warning',
    { device: null, point: null, key: 'path' },
    `path is "${path}"; that name may be another line's after a restart: take the one below /dev/serial/by-path (or by-id) that points to it`,
  );
}
