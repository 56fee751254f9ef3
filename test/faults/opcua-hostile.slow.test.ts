import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evils, startHostile } from '../simulators/opcua-hostile.ts';
import { startOpcUaServer } from '../support/opcua-server.ts';
import { noOpenssl, Openssl } from '../support/openssl.ts';
import type { OpcUaServer } from '../support/opcua-server.ts';

/** `SLUICE_SEED=N` repeats one. */
const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000);
/** Behind the opening of a channel that is secured the attacker is somebody between, who has no key. */
const attacks = [
  ['None', 200],
  ['SignAndEncrypt', 80],
] as const;

describe.skipIf(noOpenssl !== undefined).each(attacks)(
  `a process that is attacked over OPC UA: %s (seed ${seed})`,
  (securityMode, connections) => {
    const openssl = new Openssl();
    const folder = mkdtempSync(join(tmpdir(), 'sluice-hostile-'));
    let honest: OpcUaServer;
    beforeAll(async () => {
      const plc = openssl.make({ name: 'PLC-7', hosts: ['DNS:localhost', 'IP:127.0.0.1'] });
      mkdirSync(join(folder, 'pki/trusted/certs'), { recursive: true });
      writeFileSync(join(folder, 'pki/trusted/certs/plc.der'), plc.der);
      honest = await startOpcUaServer({ mostSessions: 1_000, secured: { certificate: plc.cert, key: plc.key } });
      for (const name of ['a', 'b', 'c', 'd']) honest.variable(name, 'Double', 1.5);
    });
    afterAll(async () => {
      await honest.close();
      openssl.end();
      rmSync(folder, { recursive: true, force: true });
    });

    it('neither ends, nor grows, nor lets another connection wait', async () => {
      const hostile = await startHostile(honest.port, seed);
      const argv = [hostile.port, honest.port, connections, securityMode, folder].map(String);
      const victim = spawn(process.execPath, ['test/simulators/opcua-victim.ts', ...argv], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let out = '';
      let errors = '';
      victim.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
      victim.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
      try {
        const [code] = (await once(victim, 'exit')) as [number | null];
        // The library says so itself, past all its loggers.
        const said = errors.replaceAll(/^expecting a known StatusCode .*\n/gm, '');
        expect(`${String(code)} ${said}`).toBe('0 ');
      } finally {
        victim.kill('SIGKILL');
        await hostile.close();
      }
      const seen = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as Record<
        'opened' | 'refused' | 'polls' | 'stallMs' | 'peakMb',
        number
      >;
      console.log(out.trimEnd(), JSON.stringify(hostile.done), hostile.secured());
      expect(seen.opened + seen.refused).toBeGreaterThanOrEqual(connections);
      // The hostile server shares a process with the honest one, which waits for it now and then; the victim itself does not.
      expect(seen.stallMs).toBeLessThan(2_000);
      expect(seen.polls).toBeGreaterThan(20);
      // Of a process with the library: 130. Each flood alone is 120 MB, and there are more than ten.
      expect(seen.peakMb).toBeLessThan(500);
      if (securityMode !== 'None') expect(hostile.secured()).toBeGreaterThan(5);
      expect(Object.keys(hostile.done)).toEqual(expect.arrayContaining(Object.keys(evils)));
    }, 300_000);
  },
);
