// Comes with node-opcua-client, in its version.
import { defaultClientTransportFactory } from 'node-opcua-transport';
import type { OPCUAClientOptions } from 'node-opcua-client';

type TransportFactory = NonNullable<OPCUAClientOptions['transportFactory']>;

/** What of a transport is not in its types: whom its socket calls. */
interface Inner {
  _on_socket_data(data: Buffer): void;
}

/**
 * Transports of the library from whose socket no exception escapes. Bytes are taken apart inside of the socket's callback, and some make the library throw there (a chunk
 * that says it is larger than agreed, after the handshake): that would end the process with all its other connections. Here it ends the link.
 */
export const guardedTransports: TransportFactory = {
  create(settings) {
    const transport = defaultClientTransportFactory.create(settings);
    const inner = transport as unknown as Inner;
    const take = inner._on_socket_data.bind(transport);
    inner._on_socket_data = (data) => {
      try {
        take(data);
      } catch {
        // As if the network had cut it: who waits for answers is told by the end of the link.
        transport.forceConnectionBreak();
      }
    };
    return transport;
  },
};
