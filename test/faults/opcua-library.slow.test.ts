import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { until } from '../drivers/opcua/support.ts';
import { PlantSite } from './plant-site.ts';

const inject = pathToFileURL(resolve('test/simulators/opcua-fault.ts')).href;
const withFault = (fault: string): Record<string, string> => ({
  NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --import ${inject}`,
  SLUICE_FAULT: fault,
});

it('an exception in a timer of the OPC UA library ends its link, which is opened again, and nothing else', async () => {
  const site = await PlantSite.start('node-opcua', undefined, withFault('library'));
  try {
    await site.daemon.logged(/was lost: .* the OPC UA library failed \(injected into the library, at .*\)/);
    const ticks = (): number =>
      site.delivered().filter(({ point, quality }) => point === 'ticks' && quality === 'good').length;
    const before = ticks();
    await until(() => ticks() > before + 10, 15_000);
    expect(await site.daemon.end('SIGTERM')).toBe(0);
    expect(site.wrong()).toEqual([]);
  } finally {
    await site.remove();
  }
}, 60_000);

it('an exception that is nobody’s ends the daemon in order, with its place and exit code 1', async () => {
  const site = await PlantSite.start('node-opcua', undefined, withFault('program'));
  try {
    expect(await Promise.race([site.daemon.ended, sleep(20_000)])).toBe(1);
    expect(site.daemon.log).toMatch(/^sluice: Error: injected into the program\n\s+at .*opcua-fault/m);
    expect(site.daemon.log).toContain('Stopped.');
    expect(site.delivered().length).toBeGreaterThan(0);
  } finally {
    await site.remove();
  }
}, 60_000);
