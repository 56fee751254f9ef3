import { expect, it } from 'vitest';
import { FileSite } from '../../faults/file-site.ts';

/** Tells each file of the library that a process loads. */
const hook = `import { registerHooks } from 'node:module';
registerHooks({ resolve(name, context, next) {
  const found = next(name, context);
  if (found.url.includes('/node-opcua')) process.stderr.write('LOADED ' + found.url + '\\n');
  return found;
} });`;
const watched = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hook)}` };

it('a daemon without OPC UA loads nothing of its library', async () => {
  const site = await FileSite.start();
  try {
    site.daemon.start(watched);
    await site.accepted(10);
    expect(await site.daemon.end('SIGTERM')).toBe(0);
    expect(site.daemon.log).not.toContain('LOADED');
  } finally {
    await site.remove();
  }
});

it('a daemon with it does', async () => {
  const site = await FileSite.start({
    connections: { plc: { driver: 'opcua', endpoint: 'opc.tcp://127.0.0.1:1' } },
    devices: [{ id: 'PLC', connection: 'plc', points: [{ name: 'level', unit: 'm', nodeId: 'nsu=urn:x;s=Level' }] }],
  });
  try {
    site.daemon.start(watched);
    await site.daemon.logged(/LOADED .*node-opcua-client/);
    expect(await site.daemon.end('SIGTERM')).toBe(0);
  } finally {
    await site.remove();
  }
});
