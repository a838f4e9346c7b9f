import type { Server } from 'node:net';
import { NightlyError } from '../../base/errors.ts';
import { isErrno } from '../../base/files.ts';
import type { Address } from '../../config/config.ts';

/**
 * Makes a server listen; resolves when it does.
 * @param key of the configuration that has the address
 * @throws NightlyError `usage` when the address is taken or not this machine's.
 */
export function listening(server: Server, { host, port }: Address, key: string): Promise<void> {
  return new Promise((settle, refuse) => {
    server.once('listening', settle);
    server.once('error', (error) => {
      if (!['EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'ENOTFOUND'].some((code) => isErrno(error, code))) refuse(error);
      refuse(
        new NightlyError('usage', `The service cannot listen on ${host}:${port}: ${error.message}.`, {
          hint: `Set "${key}" to an address of this machine and a free port.`,
        }),
      );
    });
    // Those that come while the process is busy wait in the kernel, instead of trying again a second later.
    server.listen({ port, host, backlog: 2048 });
  });
}
