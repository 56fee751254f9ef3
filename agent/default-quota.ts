import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';

const mostBytes = 2_000_000_000;
const shareOfDisk = 0.2;

/** What the buffer may take where `buffer.maxSize` is not stated: the smaller of 2 GB and a fifth of the file system that holds, or will hold, `path`. */
export function defaultQuota(path: string): number {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      const { blocks, bsize } = statfsSync(folder);
      return Math.min(mostBytes, Math.floor(blocks * bsize * shareOfDisk));
    } catch (error) {
      if (folder === dirname(folder)) throw error;
    }
  }
}
