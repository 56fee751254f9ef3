import { accessSync, constants, statSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Problem, Problems } from './problems.ts';
import { why } from './secrets.ts';
import { child, type Node } from './source.ts';

const tmpfsMagic = 0x01021994;

/** What the machine must offer the buffer: a folder that is, or can be made, writable, on a disk that is large enough. Writes nothing. */
export function tellSurroundings(options: {
  root: Node;
  bufferPath: string;
  maxBytes: number | null;
  severity: Problem['severity'];
  problems: Problems;
}): void {
  const { root, bufferPath, maxBytes, severity, problems } = options;
  const node = child(child(root, 'buffer'), 'path') ?? child(root, 'stateDir');
  const tell = (how: Problem['severity'], message: string): void =>
    node === undefined ? problems.atObject(how, root, message) : problems.atValue(how, node, message);
  try {
    const folder = nearestExisting(bufferPath);
    if (!statSync(folder).isDirectory()) {
      tell(
        severity,
        `the buffer folder ${JSON.stringify(bufferPath)} cannot be made: ${JSON.stringify(folder)} is no folder; allowed: a path below a folder`,
      );
      return;
    }
    const { type, bsize, blocks } = statfsSync(folder);
    if (type === tmpfsMagic)
      tell(
        'warning',
        `the buffer folder ${JSON.stringify(bufferPath)} is in memory (tmpfs); a restart of the machine loses it`,
      );
    const sizeNode = child(child(root, 'buffer'), 'maxSize');
    if (maxBytes !== null && sizeNode !== undefined && maxBytes > bsize * blocks) {
      problems.atValue(
        severity,
        sizeNode,
        `maxSize is larger than its file system; allowed: up to ${Math.floor((bsize * blocks) / 1e6)}MB at ${JSON.stringify(folder)}`,
      );
    }
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const reason = why(error).replace('read', 'written');
    tell(
      severity,
      `the buffer folder ${JSON.stringify(bufferPath)} ${reason}; allowed: a folder that is, or can be made, writable`,
    );
  }
}

function nearestExisting(path: string): string {
  try {
    statSync(path);
    return path;
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR'].includes(String(error.code));
    if (!isMissing || dirname(path) === path) throw error;
    return nearestExisting(dirname(path));
  }
}
