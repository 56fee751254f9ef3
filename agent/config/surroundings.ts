import { accessSync, constants, statSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Problem, Problems } from './problems.ts';
import { why } from './secrets.ts';
import { child, type Node } from './source.ts';

/** Kinds of file systems by the number that `statfs` gives (linux/magic.h). */
const inMemory = new Set([0x01021994, 0x858458f6]);
/** proc, sys, cgroup, debug, trace, security: windows into the kernel, whoever may write there. */
const ofTheKernel = new Set([0x9fa0, 0x62656572, 0x63677270, 0x27e0eb, 0x64626720, 0x74726163, 0x73636673]);

export interface Surroundings {
  readonly root: Node;
  readonly stateDir: string;
  readonly bufferPath: string;
  readonly maxBytes: number | null;
  /** The file of `uplink.file`, null where there is none. */
  readonly lines: string | null;
  /** How bad it is when something cannot be written. */
  readonly severity: Problem['severity'];
  readonly problems: Problems;
}

/** What the machine must offer: folders that are, or can be made, writable, on a disk that is large enough. Writes nothing. */
export function tellSurroundings({
  root,
  stateDir,
  bufferPath,
  maxBytes,
  lines,
  severity,
  problems,
}: Surroundings): void {
  const buffer = child(root, 'buffer');
  const place =
    (node: Node | undefined) =>
    (how: Problem['severity'], message: string): void =>
      node === undefined ? problems.atObject(how, root, message) : problems.atValue(how, node, message);
  const stated = child(buffer, 'path');
  const stateNode = child(root, 'stateDir');
  tellFolder(`the buffer folder ${quoted(bufferPath)}`, bufferPath, severity, place(stated ?? stateNode));
  if (stated !== undefined) tellFolder(`the folder ${quoted(stateDir)}`, stateDir, severity, place(stateNode));
  const sizeNode = child(buffer, 'maxSize');
  if (maxBytes !== null && sizeNode !== undefined)
    tellSize(bufferPath, maxBytes, (message) => problems.atValue(severity, sizeNode, message));
  if (lines !== null) tellLines(lines, severity, place(child(child(child(root, 'uplink'), 'file'), 'path')));
}

type Tell = (how: Problem['severity'], message: string) => void;

const quoted = (path: string): string => JSON.stringify(path);

function tellFolder(what: string, path: string, severity: Problem['severity'], tell: Tell): void {
  try {
    const folder = nearestExisting(path);
    if (!statSync(folder).isDirectory()) {
      tell(severity, `${what} cannot be made: ${quoted(folder)} is no folder; allowed: a path below a folder`);
      return;
    }
    const { type } = statfsSync(folder);
    if (ofTheKernel.has(type)) {
      tell(
        severity,
        `${what} cannot be made: ${quoted(folder)} shows the kernel, it holds no files; allowed: a folder on a disk`,
      );
      return;
    }
    if (inMemory.has(type)) tell('warning', `${what} is in memory (tmpfs); a restart of the machine loses it`);
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (isReadOnly(error))
      tell('warning', `${what} ${whyNotWritten(error)}; until it can be written readings are kept in memory only`);
    else tell(severity, `${what} ${whyNotWritten(error)}; allowed: a folder that is, or can be made, writable`);
  }
}

function tellSize(path: string, maxBytes: number, tell: (message: string) => void): void {
  try {
    const folder = nearestExisting(path);
    const { bsize, blocks } = statfsSync(folder);
    if (maxBytes <= bsize * blocks || blocks === 0) return;
    tell(
      `maxSize is larger than its file system; allowed: up to ${Math.floor((bsize * blocks) / 1e6)}MB at ${quoted(folder)}`,
    );
  } catch {
    // That it cannot be reached is told of the folder.
  }
}

function tellLines(path: string, severity: Problem['severity'], tell: Tell): void {
  const what = `the file ${quoted(path)}`;
  try {
    if (nearestExisting(path) !== path)
      tellFolder(`the folder ${quoted(dirname(path))} of that file`, dirname(path), severity, tell);
    else if (statSync(path).isDirectory())
      tell(severity, `${what} is a folder; allowed: the path of a file, in a folder`);
    else accessSync(path, constants.W_OK);
  } catch (error) {
    tell(severity, `${what} ${whyNotWritten(error)}; allowed: a file that is, or can be made, writable`);
  }
}

const isReadOnly = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'EROFS';

function whyNotWritten(error: unknown): string {
  return isReadOnly(error) ? 'is on a file system that is mounted read-only' : why(error).replace('read', 'written');
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
