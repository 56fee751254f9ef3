import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What the kernel has counted of a process, all its threads included, its children not. */
export interface ProcessFigures {
  /** On whatever core, user and system. */
  readonly cpuMs: number;
  readonly rssMb: number;
  /** The most since its start. */
  readonly peakRssMb: number;
  /** Bytes that it caused to be written to the disk (`write_bytes` of proc_pid_io(5)). */
  readonly writtenBytes: number;
}

const tickMs = 1000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

export function figuresOf(pid: number): ProcessFigures {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name may hold blanks and braces; fields 14 and 15 are the 12th and 13th behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * tickMs,
    rssMb: field(status, 'VmRSS') / 1024,
    peakRssMb: field(status, 'VmHWM') / 1024,
    writtenBytes: field(readFileSync(`/proc/${pid}/io`, 'latin1'), 'write_bytes'),
  };
}

function field(text: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1];
  if (found === undefined) throw new Error(`no ${name} in ${text.slice(0, 40)}`);
  return Number(found);
}
