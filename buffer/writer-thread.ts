import { parentPort } from 'node:worker_threads';
import type { ToWriter } from './protocol.ts';
import { Writer } from './writer.ts';

// What the writer thread runs.

const port = parentPort;
if (!port) throw new Error('buffer/writer-thread runs as a worker thread only');
const writer = new Writer({
  post: (message) => port.postMessage(message),
  fail: (error) => {
    throw error;
  },
});
port.on('message', (message: ToWriter) => writer.hear(message));
