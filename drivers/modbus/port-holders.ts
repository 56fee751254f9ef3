import { readFile, readdir, readlink, stat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { basename } from 'node:path';

/** A program that has a serial port open. */
export interface PortHolder {
  readonly pid: number;
  /** `minicom`, `node main.js`. */
  readonly program: string;
}

/**
 * The programs that have this port open, under whatever name they opened it; not this process. Those of other users are only seen when they lock it
 * (`/proc/locks` is for everybody, `/proc/PID/fd` is not). Empty where there is no `/proc`, and when the port is not there.
 */
export async function holdersOf(path: string): Promise<PortHolder[]> {
  const port = await stat(path).catch(() => null);
  if (port?.isCharacterDevice() !== true) return [];
  const running = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  const locking = await lockingPids(port);
  const holders: PortHolder[] = [];
  for (const pid of running) {
    if (pid === process.pid) continue;
    if (locking.has(pid) || (await hasOpen(pid, port))) holders.push({ pid, program: await programOf(pid) });
  }
  return holders;
}

/** `minicom (pid 4242)`; '' of nobody. */
export function holdersText(holders: readonly PortHolder[]): string {
  return holders.map(({ pid, program }) => `${program} (pid ${pid})`).join(' and ');
}

async function hasOpen(pid: number, port: Stats): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  let found = false;
  for (const fd of await readdir(folder).catch(() => [])) {
    const target = await readlink(`${folder}/${fd}`).catch(() => '');
    if (!target.startsWith('/dev/')) continue;
    if (target.endsWith('ptmx') && (await isFarEnd(pid, fd, port))) return false;
    const opened = await stat(`${folder}/${fd}`).catch(() => null);
    // A container may have a node of its own for the same port. Terminals of two containers have the same numbers and nothing in common.
    found ||= opened?.rdev === port.rdev && (opened.dev === port.dev || !target.startsWith('/dev/pts/'));
  }
  return found;
}

/** Of what stands in /dev/pts (devices.txt of the kernel). */
const ptyMajor = 136;

/** Whoever made a pty (socat, a serial server's driver) mostly keeps its near end open too; it is the line, not one who asks on it. */
async function isFarEnd(pid: number, fd: string, { rdev }: Stats): Promise<boolean> {
  const [, index] =
    /^tty-index:\s*(\d+)/m.exec(await readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8').catch(() => '')) ?? [];
  const { major, minor } = numbersOf(rdev);
  return major === ptyMajor && index !== undefined && Number(index) === minor;
}

/** Each line: `1: FLOCK  ADVISORY  WRITE 4242 00:05:613 0 EOF`, the file as major:minor:inode of where its node lies (proc_locks(5)). */
async function lockingPids({ dev, ino }: Stats): Promise<Set<number>> {
  const { major, minor } = numbersOf(dev);
  const file = `${hex(major)}:${hex(minor)}:${ino}`;
  const lines = (await readFile('/proc/locks', 'utf8').catch(() => '')).split('\n');
  const columns = lines.map((line) => line.split(/\s+/));
  return new Set(columns.filter((each) => each[5] === file).map((each) => Number(each[4])));
}

/** As the kernel packs them in 32 bits (new_encode_dev). */
function numbersOf(dev: number): { major: number; minor: number } {
  return { major: (dev >>> 8) & 0xfff, minor: (dev & 0xff) | ((dev >>> 12) & 0xfff00) };
}

const hex = (value: number): string => value.toString(16).padStart(2, '0');

/** Its name, and that of the script it runs; nothing else of its command line, where passwords may stand. Foreign text. */
async function programOf(pid: number): Promise<string> {
  const [command = '', script = ''] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
  const program = basename(command);
  const parts = /^(node|python|perl|ruby|java|bash|sh)[\d.]*$/.test(program) ? [program, basename(script)] : [program];
  return (
    parts
      .join(' ')
      .trimEnd()
      .replaceAll(/\p{Cc}/gu, ' ') || 'a program'
  );
}
