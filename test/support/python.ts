import { spawnSync } from 'node:child_process';

const { error, status } = spawnSync('python3', ['-c', 'import pty, socket']);

/** Why suites with a peer in Python (what Node cannot open: datagram sockets, terminals) cannot run here; undefined: they can. */
export const noPython: string | undefined = error || status !== 0 ? 'python3 is missing' : undefined;
if (noPython !== undefined && process.env['CI'] === 'true') throw new Error(`CI needs Python: ${noPython}`);
