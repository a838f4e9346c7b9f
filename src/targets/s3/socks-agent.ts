import type { AgentOptions, ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { connect as connectTls, type SecureContextOptions } from 'node:tls';
import { Agent, type AgentConnectOpts } from 'agent-base';
import { throughSocks } from '../../base/socks.ts';

/** Makes the connections of the S3 client through a SOCKS proxy. */
export class SocksAgent extends Agent {
  readonly #proxy: string;
  readonly #server: SecureContextOptions;

  /** @param server what its certificate must be good for */
  constructor(proxy: string, server: SecureContextOptions, options: AgentOptions) {
    super(options);
    this.#proxy = proxy;
    this.#server = server;
  }

  override async connect(_request: ClientRequest, options: AgentConnectOpts): Promise<Socket> {
    const [host, port] = [options.host ?? 'localhost', Number(options.port)];
    const socket = await throughSocks(this.#proxy, undefined, { host, port });
    if (!options.secureEndpoint) return socket;
    return connectTls({ ...options, ...this.#server, socket, servername: options.servername ?? host });
  }
}
