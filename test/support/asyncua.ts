import { spawnSync } from 'node:child_process';

/** A Python that has asyncua: that of a venv, or the system's. */
export const asyncuaPython = process.env['SLUICE_ASYNCUA'] ?? 'python3';

const { error, status } = spawnSync(asyncuaPython, ['-c', 'import asyncua']);

/** Why suites with asyncua as a server cannot run here; undefined: they can. CI must have it, so there it is an error. */
export const noAsyncua: string | undefined =
  error || status !== 0
    ? 'no asyncua; python3 -m venv V && V/bin/pip install asyncua==2.1.0, then SLUICE_ASYNCUA=V/bin/python'
    : undefined;
if (noAsyncua !== undefined && process.env['CI'] === 'true') throw new Error(`CI needs asyncua: ${noAsyncua}`);
