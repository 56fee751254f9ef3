import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { figuresOf } from '../../bench/process-figures.ts';
import { FileSite } from '../../faults/file-site.ts';

const main = new URL('../../../agent/main.ts', import.meta.url).pathname;

/** Tells each file of the library that a process loads. */
const hook = `import { registerHooks } from 'node:module';
registerHooks({ resolve(name, context, next) {
  const found = next(name, context);
  if (found.url.includes('/node-opcua')) process.stderr.write('LOADED ' + found.url + '\\n');
  return found;
} });`;
const watched = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hook)}` };

/** Of the daemon without it. */
let rssMb = Infinity;

it('a daemon without OPC UA loads nothing of its library', async () => {
  const site = await FileSite.start();
  try {
    site.daemon.start(watched);
    await site.accepted(10);
    ({ rssMb } = figuresOf(site.daemon.pid ?? 0));
    expect(await site.daemon.end('SIGTERM')).toBe(0);
    expect(site.daemon.log).not.toContain('LOADED');
  } finally {
    await site.remove();
  }
});

it('a daemon with it does, and takes the memory for it', async () => {
  const site = await FileSite.start({
    connections: { plc: { driver: 'opcua', endpoint: 'opc.tcp://127.0.0.1:1' } },
    devices: [{ id: 'PLC', connection: 'plc', points: [{ name: 'level', unit: 'm', nodeId: 'nsu=urn:x;s=Level' }] }],
  });
  try {
    site.daemon.start(watched);
    await site.daemon.logged(/LOADED .*node-opcua-client/);
    await site.daemon.logged(/ECONNREFUSED/);
    // 65 MB, here beside readings of a meter that the other one has.
    expect(figuresOf(site.daemon.pid ?? 0).rssMb).toBeGreaterThan(rssMb + 25);
    expect(await site.daemon.end('SIGTERM')).toBe(0);
  } finally {
    await site.remove();
  }
});

it('a simulator of a site without OPC UA loads nothing of its library', async () => {
  const site = await FileSite.start();
  try {
    site.daemon.rewrite({ ...site.config, connections: { panel: { driver: 'modbus-tcp', host: '10.0.0.1' } } });
    const env = { ...process.env, ...watched };
    const child = spawn(process.execPath, [main, 'simulate', join(site.folder, 'sluice.json')], { env });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        if ((said += text).includes('Ready.')) child.kill('SIGTERM');
      });
    await once(child, 'close');
    expect(said).toContain('Ready.');
    expect(said).not.toContain('LOADED');
  } finally {
    await site.remove();
  }
});
