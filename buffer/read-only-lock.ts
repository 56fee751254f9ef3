import { existsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { dirname, relative } from 'node:path';
import { inUse } from './lock.ts';

/**
 * The owner's lock on a disk that cannot be written: a socket without a file (unix(7), "abstract"), named by device and inode of the folder, or of the nearest
 * above it. The kernel lets go of it at any end of the process. Held until it is closed. Rejects with BufferError `BUFFER_IN_USE`.
 */
export async function lockWithoutWriting(folder: string): Promise<Server> {
  const there = nearest(folder);
  const { dev, ino } = statSync(there, { bigint: true });
  const server = createServer((socket) => socket.destroy());
  // It must not keep the process alive.
  server.unref();
  await new Promise<void>((resolve, reject) => {
    server.once('listening', resolve);
    server.once('error', (error) => {
      reject('code' in error && error.code === 'EADDRINUSE' ? inUse(folder, error) : error);
    });
    server.listen(`\0sluice-buffer-${dev}-${ino}-${relative(there, folder)}`);
  });
  return server;
}

function nearest(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : nearest(dirname(folder));
}
