/**
 * Makes a process fail where nobody catches it. Loaded before the program: `node --import`.
 *
 * SLUICE_FAULT=library: some reads after its start a timer throws that node-opcua-client set going, once. SLUICE_FAULT=program: a timer that nobody owns, after three seconds.
 */
import { isMainThread } from 'node:worker_threads';
import { ClientSessionImpl } from 'node-opcua-client/dist/private/client_session_impl.js';

const fault = process.env['SLUICE_FAULT'];
const isDaemon = isMainThread && process.argv[2] === 'run';
const throwLater = (text: string, ms: number): void =>
  void setTimeout(() => {
    throw new Error(text);
  }, ms);

if (isDaemon && fault === 'program') throwLater('injected into the program', 3_000);
if (isDaemon && fault === 'library') {
  const sessions = ClientSessionImpl.prototype as unknown as { read: (...args: unknown[]) => unknown };
  const read = sessions.read;
  let count = 0;
  sessions.read = function (...args) {
    if (++count === 8) throwLater('injected into the library', 1);
    return read.apply(this, args);
  };
}
