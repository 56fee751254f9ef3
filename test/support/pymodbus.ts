import { spawnSync } from 'node:child_process';

/** A Python that has pymodbus: that of a venv, or the system's. */
export const pymodbusPython = process.env['SLUICE_PYMODBUS'] ?? 'python3';

const { error, status } = spawnSync(pymodbusPython, ['-c', 'import serial; from pymodbus.simulator import SimDevice']);

/** Why suites with pymodbus as a peer cannot run here; undefined: they can. CI must have it, so there it is an error. */
export const noPymodbus: string | undefined =
  error || status !== 0
    ? 'no pymodbus; python3 -m venv V && V/bin/pip install pymodbus==3.16.1 pyserial==3.5, then SLUICE_PYMODBUS=V/bin/python'
    : undefined;
if (noPymodbus !== undefined && process.env['CI'] === 'true') throw new Error(`CI needs pymodbus: ${noPymodbus}`);
