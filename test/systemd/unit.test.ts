import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const isMissing = spawnSync('systemd-analyze', ['--version']).status !== 0;
if (isMissing && process.env['CI'] === 'true') throw new Error("CI needs systemd's tools: systemd-analyze is missing");

const unit = readFileSync(resolve('systemd/sluice.service'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'sluice-unit-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Everything that systemd has to say: an unknown key is only a remark to it. The binary comes with the package. */
function said(text: string): string {
  const file = join(folder, 'sluice.service');
  writeFileSync(file, text.replace('ExecStart=/usr/bin/sluice', 'ExecStart=/bin/true'));
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
  return `${status === 0 ? '' : `exit ${status} `}${stdout}${stderr}`;
}

describe.skipIf(isMissing)('the unit', () => {
  it('is understood by systemd without a remark', () => {
    expect(said(unit)).toBe('');
  });

  it('would not be with a directive misspelled, or a value that is none', () => {
    expect(said(unit.replace('WatchdogSec=', 'WatchdogSecs='))).toMatch(/Unknown key/);
    expect(said(unit.replace('Restart=always', 'Restart=allways'))).toMatch(/allways/);
    expect(said(unit.replace('@system-service', '@sistem-service'))).toMatch(/sistem-service/);
  });

  it('keeps what the daemon counts on', () => {
    const value = (key: string): string | undefined => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1];
    expect(value('Type')).toBe('notify');
    expect(value('NotifyAccess')).toBe('all');
    expect(value('RestartPreventExitStatus')?.split(' ')).toContain('78');
    expect(Number(value('TimeoutStopSec'))).toBeGreaterThan(5);
    expect(value('StartLimitIntervalSec')).toBe('0');
    // Of root, whatever User= says: whoever is not root must be able to read it.
    expect(value('ConfigurationDirectoryMode')).toBe('0755');
    for (const off of ['MemoryDenyWriteExecute', 'ProtectClock', 'ProcSubset']) expect(value(off)).toBeUndefined();
  });

  it('exposes little', () => {
    const file = join(folder, 'sluice.service');
    writeFileSync(file, unit);
    const { stdout } = spawnSync('systemd-analyze', ['security', '--offline=true', file], { encoding: 'utf8' });
    expect(Number(/exposure level for sluice.service: ([\d.]+)/.exec(stdout)?.[1])).toBeLessThanOrEqual(2);
  });
});
