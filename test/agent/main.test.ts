import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { run, type Ended } from '../support/command-line.ts';

const cases = resolve('test/cases/config');
const fine = join(cases, 'fine/sluice.json');
const wrong = join(cases, 'unit-id-out-of-range/sluice.json');
const doubtful = join(cases, 'connection-without-devices/sluice.json');

/** The real thing, in a process of its own. */
function spawned(argv: readonly string[], input = Buffer.alloc(0)): Promise<Ended> {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, [resolve('agent/main.ts'), ...argv], { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdin.on('error', () => undefined).end(input);
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (data: Buffer) => (said.stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => (said.stderr += data.toString()));
    child.on('error', failed).on('close', (code) => done({ code, ...said }));
  });
}

describe('the command line', () => {
  it('says which commands there are, and exits 2 when none was given', async () => {
    const asked = await run('--help');
    expect(asked).toMatchObject({ code: 0, stderr: '' });
    for (const name of ['check', 'read', 'run', 'simulate'])
      expect(asked.stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect(await run()).toMatchObject({ code: 2, stdout: '', stderr: asked.stdout });
  });

  it('says its version', async () =>
    expect(await run('--version')).toMatchObject({ code: 0, stdout: 'sluice 0.1.0\n' }));

  it('asks back when a command or an option is mistyped', async () => {
    expect(await run('chekc')).toEqual({
      code: 2,
      stdout: '',
      stderr: 'sluice: there is no command "chekc"; did you mean `check`?\n',
    });
    expect(await run('constructor')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('the commands are init, check,'),
    });
    expect(await run('check', '--jsno')).toMatchObject({
      code: 2,
      stderr: 'sluice: check has no option --jsno; did you mean `--json`?\n',
    });
    expect(await run('check', '--colour')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('see sluice check --help'),
    });
  });

  it.each([
    [['check', 'a', 'b'], 'check takes no "b"; see sluice check --help'],
    [['check', '--json=yes'], 'check: --json takes no value'],
    [['check', '-x'], 'check has no option -x; see sluice check --help'],
    [['read', '--device'], 'read: --device needs DEVICE, e.g. --device EM-104'],
    [['read', '--device', '--json'], 'read: --device needs DEVICE, e.g. --device EM-104'],
    [['run', '--tap', 'a', '--tap', 'b'], 'run: --tap stands twice; once is allowed'],
    [['--json', 'check'], 'sluice has no option --json; the command stands first, see sluice --help'],
    [['init', '--brokers', ''], 'init: --brokers needs HOST:PORT,..., e.g. --brokers kafka.example:9092'],
    [['version'], 'there is no command "version"; did you mean `--version`?'],
    [['help', 'chekc'], 'there is no command "chekc"; did you mean `check`?'],
    [['check', '__proto__', '--__proto__'], 'check has no option --__proto__; see sluice check --help'],
  ])('%j is refused in words: %s', async (argv, message) =>
    expect(await run(...argv)).toEqual({ code: 2, stdout: '', stderr: `sluice: ${message}\n` }),
  );

  it('takes what stands behind `--` as it is', async () => {
    expect(await run('check', '--', '--help')).toMatchObject({
      code: 78,
      stdout: expect.stringMatching(/^--help:1:1: the file does not exist/),
    });
  });

  it('explains one command, asked in any way', async () => {
    const asked = await run('check', '--help');
    expect(asked).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(
        /^sluice check \[FILE\] \[--json\][^]*Examples:\n {2}sluice check [^]*Exit codes: 0 fine, [^]*2 usage, 78 /,
      ),
    });
    for (const other of [
      ['help', 'check'],
      ['check', '-h'],
      ['--help', 'check'],
      ['check', '--jsno', '--help'],
    ])
      expect(await run(...other)).toEqual(asked);
  });
});

describe('check', () => {
  it('exits 0 for a right file and says what it will do', async () => {
    expect(await run('check', fine)).toEqual({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(
        /: gateway ps-12: no problems; 1 connection, 1 device, 1 point, (\d+ requests? per cycle, )?360 readings per hour\n$/,
      ),
    });
  });

  it.each(['day', 'month'])('says how much comes per %s where an hour has none', async (span) => {
    const seldom = `test/cases/config/read-once-a-${span}/sluice.json`;
    expect(await run('check', seldom)).toMatchObject({
      stdout: expect.stringMatching(new RegExp(`no problems; .*, 1 reading per ${span}\n$`)),
    });
  });

  it('names each connection, the buffer, the brokers and the topics', async () => {
    const { stdout } = await run('check', '--no-secrets', 'deploy/demo/sluice.json');
    expect(stdout).toMatch(/^connection {2}switchboard: modbus-tcp, 6 devices, \d+ points, \d+ requests per cycle$/m);
    expect(stdout).toMatch(
      /^buffer {6}\/\S+\/buffer, at most \S+ [KMG]B( \(the smaller of 2 GB and a fifth of its file system\))?$/m,
    );
    expect(stdout).toMatch(/^uplink {6}Kafka \S+:\d+(, \S+:\d+)*, (no )?TLS, (no SASL|\S+)$/m);
    expect(stdout).toMatch(/^topics {6}.*\bmeter-readings\b.*gateway-events/m);
  });

  it('says as a figure how large a buffer without maxSize may become', async () => {
    const { stdout } = await run('check', '--json', fine);
    const { summary } = JSON.parse(stdout) as { summary: { buffer: { maxBytes: number; isDefault: boolean } } };
    const [, blocks = ''] = execFileSync('df', ['--block-size=1', '--output=size', 'test'], { encoding: 'utf8' }).split(
      '\n',
    );
    expect(summary.buffer).toMatchObject({ isDefault: true, maxBytes: Math.min(2e9, Math.floor(Number(blocks) / 5)) });
    expect((await run('check', fine)).stdout).toMatch(
      /, at most \S+ [KMG]B \(the smaller of 2 GB and a fifth of its file system\)$/m,
    );
  });

  it('exits 78 for a wrong file, each problem on a line of its own', async () => {
    expect(await run('check', wrong)).toEqual({
      code: 78,
      stderr: '',
      stdout: `${wrong}:9:56 devices[0] "EM-104": unitId is 300; allowed: 1…247 (or 0 and 255 on TCP)\n${wrong}: 1 problem; nothing was opened\n`,
    });
  });

  it('exits 0 for warnings, 1 with --strict', async () => {
    expect(await run('check', doubtful)).toMatchObject({ code: 0, stdout: expect.stringContaining(': 1 warning; ') });
    expect(await run('check', doubtful, '--strict')).toMatchObject({ code: 1 });
    expect(await run('check', fine, '--strict')).toMatchObject({ code: 0 });
  });

  it('exits 78 and names the place when there is no such file', async () => {
    expect(await run('check', '/nowhere/sluice.json')).toMatchObject({
      code: 78,
      stdout: expect.stringMatching(/^\/nowhere\/sluice\.json:1:1: the file does not exist/),
    });
  });

  it('gives one JSON value with --json', async () => {
    const bad = await run('check', wrong, '--json');
    expect(bad.stdout).toMatch(/^[^\n]+\n$/);
    expect(JSON.parse(bad.stdout)).toEqual({
      ok: false,
      problems: [
        {
          severity: 'error',
          file: wrong,
          line: 9,
          column: 56,
          path: 'devices[0]',
          device: 'EM-104',
          message: 'unitId is 300; allowed: 1…247 (or 0 and 255 on TCP)',
        },
      ],
      summary: null,
    });
    expect(JSON.parse((await run('check', fine, '--json')).stdout)).toMatchObject({
      ok: true,
      problems: [],
      summary: { gateway: 'ps-12', connections: 1, devices: 1, points: 1, readingsPerHour: 360 },
    });
    expect(JSON.parse((await run('check', doubtful, '--json', '--strict')).stdout)).toMatchObject({ ok: false });
  });

  it('says of an OPC UA connection what its server is asked for', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-check-'));
    const file = join(folder, 'sluice.json');
    const point = (name: string, more = {}): object => ({
      name,
      unit: 'm3',
      nodeId: `nsu=urn:site:plc;s=${name}`,
      ...more,
    });
    const points = [
      ...['a', 'b', 'c'].map((name) => point(name)),
      point('d', { publishingInterval: '5s' }),
      point('e', { kind: 'counter' }),
      ...Array.from({ length: 1_500 }, (_, at) => point(`f${at}`, { mode: 'poll', every: '1s' })),
      point('off', { enabled: false }),
    ];
    const site = {
      version: 1,
      gateway: 'ps-12',
      connections: { plc: { driver: 'opcua', endpoint: 'opc.tcp://10.12.0.5', securityMode: 'Sign' } },
      devices: [{ id: 'PLC', connection: 'plc', points }],
      stateDir: 'state',
      uplink: { file: { path: 'out.ndjson' } },
    };
    writeFileSync(file, JSON.stringify(site));
    const { stdout } = await run('check', file);
    expect(stdout).toMatch(
      /^connection {2}plc: opcua, 1 device, 1505 points, 3 points subscribed every 1s, 1 point subscribed every 5s, 1500 points polled every 1s, 1 point polled every 15m, at most 3\.3 requests per second$/m,
    );
    const { summary } = JSON.parse((await run('check', file, '--json')).stdout) as {
      summary: { perConnection: { demand: unknown }[] };
    };
    expect(summary.perConnection[0]?.demand).toMatchObject({
      subscriptions: [
        { publishingMs: 1_000, points: 3 },
        { publishingMs: 5_000, points: 1 },
      ],
      polled: [
        { everyMs: 1_000, points: 1_500 },
        { everyMs: 900_000, points: 1 },
      ],
    });
    rmSync(folder, { recursive: true });
  });

  it('does without secrets when told to', async () => {
    const file = join(cases, 'secret-without-its-variable/sluice.json');
    expect(await run('check', file)).toMatchObject({ code: 78 });
    expect(await run('check', file, '--no-secrets')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(': warning: password is missing'),
    });
  });
});

describe('the process', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-main-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('ends with the exit codes that the documentation promises', async () => {
    expect(await spawned(['check', fine])).toMatchObject({ code: 0, stderr: '' });
    expect(await spawned(['check', wrong])).toMatchObject({ code: 78, stderr: '' });
    expect(await spawned(['chekc'])).toMatchObject({ code: 2, stdout: '' });
    expect(await spawned(['check', doubtful, '--strict'])).toMatchObject({ code: 1 });
  });

  it('reads a configuration from standard input where it is read once', async () => {
    const piped = (command: string): Promise<Ended> => spawned([command, '-'], readFileSync(wrong));
    expect(await piped('check')).toMatchObject({ code: 78, stdout: expect.stringMatching(/^-:9:56 devices\[0\]/) });
    for (const command of ['run', 'simulate'])
      expect(await piped(command)).toEqual({
        code: 2,
        stdout: '',
        stderr: 'sluice: FILE is - (standard input), and it is read again later; name a file\n',
      });
  });

  it('writes all of a long answer into a pipe before it ends', async () => {
    const file = join(folder, 'many.json');
    writeFileSync(
      file,
      JSON.stringify({ devices: Array.from({ length: 3000 }, (_, index) => ({ id: `EM ${index}` })) }),
    );
    const { code, stdout } = await spawned(['check', file]);
    expect(code).toBe(78);
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/problems; nothing was opened$/);
  });

  it('is quiet when its reader has seen enough', async () => {
    const file = join(folder, 'many-again.json');
    writeFileSync(
      file,
      JSON.stringify({ devices: Array.from({ length: 3000 }, (_, index) => ({ id: `EM ${index}` })) }),
    );
    const child = spawn(process.execPath, [resolve('agent/main.ts'), 'check', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    child.stdout.destroy();
    await new Promise((done) => child.on('close', done));
    expect(stderr).toBe('');
  });
});
