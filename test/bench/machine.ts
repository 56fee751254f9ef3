import { execFileSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  /** Of the folder that the buffer is written to. */
  readonly fileSystem: string;
  readonly disk: string;
  /** Over the last minute, when the bench began. */
  readonly load: number;
}

/** Magic numbers of statfs(2): writes to these are no writes to a disk, so a figure taken there says nothing. */
const memoryFileSystems: ReadonlyMap<number, string> = new Map([
  [0x01_02_19_94, 'tmpfs'],
  [0x85_84_58_f6, 'ramfs'],
]);

/** What the figures were taken on. `folder`: where the buffer will lie. Throws when that is memory. */
export function describeMachine(folder: string): Machine {
  const memory = memoryFileSystems.get(statfsSync(folder).type);
  if (memory !== undefined)
    throw new Error(`${folder} is on ${memory}: bytes written there reach no disk. Choose another folder with --dir`);
  const [device = 'unknown', type = 'unknown'] =
    execFileSync('df', ['--output=source,fstype', folder], {
      encoding: 'utf8',
    })
      .trim()
      .split('\n')
      .at(-1)
      ?.split(/\s+/) ?? [];
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: release(),
    node: process.version,
    fileSystem: type,
    disk: device,
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}
