import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evils, startHostile } from '../simulators/opcua-hostile.ts';
import { startOpcUaServer } from '../support/opcua-server.ts';
import type { OpcUaServer } from '../support/opcua-server.ts';

/** FAULTS 28: `SLUICE_SEED=N` repeats one. */
const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000);
const connections = 200;

describe(`a process that is attacked over OPC UA (seed ${seed})`, () => {
  let honest: OpcUaServer;
  beforeAll(async () => {
    honest = await startOpcUaServer({ mostSessions: 1_000 });
    for (const name of ['a', 'b', 'c', 'd']) honest.variable(name, 'Double', 1.5);
  });
  afterAll(() => honest.close());

  it('neither ends, nor grows, nor lets another connection wait', async () => {
    const hostile = await startHostile(honest.port, seed);
    const argv = [hostile.port, honest.port, connections].map(String);
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
    console.log(out.trimEnd(), JSON.stringify(hostile.done));
    expect(seen.opened + seen.refused).toBeGreaterThanOrEqual(connections);
    // The hostile server shares a process with the honest one, which waits for it now and then; the victim itself does not.
    expect(seen.stallMs).toBeLessThan(2_000);
    expect(seen.polls).toBeGreaterThan(50);
    // Of a process with the library: 130; a conversation of 16 connections at once is in it.
    expect(seen.peakMb).toBeLessThan(400);
    expect(Object.keys(hostile.done)).toEqual(expect.arrayContaining(Object.keys(evils)));
  }, 300_000);
});
