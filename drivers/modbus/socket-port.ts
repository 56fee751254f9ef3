import type { Socket } from 'node:net';
import type { BytePort } from './byte-port.ts';

/** A connected socket as a line: behind it a gateway hands bytes on as they are. */
export function socketPort(socket: Socket, name: string): BytePort {
  const { promise: ended, resolve: end } = Promise.withResolvers<Error | undefined>();
  socket.on('error', end);
  for (const event of ['end', 'close']) socket.on(event, () => end(new Error('the other end closed the connection')));
  return {
    name,
    ended,
    write: (bytes) => void socket.write(bytes),
    listen: (heard) => void socket.on('data', heard),
    close: () => {
      end(undefined);
      socket.destroy();
      return Promise.resolve();
    },
  };
}
