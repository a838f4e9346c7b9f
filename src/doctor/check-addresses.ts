import { createServer } from 'node:net';
import { isErrno } from '../base/files.ts';
import type { Address, Config } from '../config/config.ts';
import { servedAt } from '../config/serve-target.ts';
import { servedTargets } from '../config/served-targets.ts';
import type { CheckResult } from './doctor-check.ts';

interface ListensAt {
  readonly name: string;
  readonly address: Address;
  /** What to change in the configuration. */
  readonly key: string;
}

/**
 * Whether "serve" can listen wherever it is to.
 * @param runs whether the service of the work folder runs: it has these addresses itself
 */
export async function checkAddresses(
  config: Pick<Config, 'service' | 'targets'>,
  runs: boolean,
): Promise<CheckResult[]> {
  return Promise.all(addressesOf(config).map((one) => checkAddress(one, runs)));
}

function addressesOf(config: Pick<Config, 'service' | 'targets'>): ListensAt[] {
  const { listen, mqtt } = config.service;
  const served = servedTargets(config).flatMap((target): ListensAt[] => {
    const address = servedAt(target);
    return address ? [{ name: `web server of ${target.name}`, address, key: `targets.${target.name}.serve` }] : [];
  });
  return [
    { name: 'address of the service', address: listen, key: 'service.listen' },
    ...(mqtt?.type === 'embedded'
      ? [{ name: 'address of the broker', address: mqtt.listen, key: 'service.mqtt.listen' }]
      : []),
    ...served,
  ];
}

async function checkAddress({ name, address, key }: ListensAt, runs: boolean): Promise<CheckResult> {
  const at = `${address.host}:${address.port}`;
  const error = await whyNotFree(address);
  if (error === undefined) return { name, state: 'ok', detail: `${at} is free` };
  if (isErrno(error, 'EADDRINUSE')) {
    if (runs) return { name, state: 'ok', detail: `${at}, while the service of this work folder runs` };
    const detail = `another program listens on ${at}: "ss -ltnp" shows which; stop it, or set "${key}" to a free port`;
    return { name, state: 'missing', detail };
  }
  // The service may be another user's.
  if (isErrno(error, 'EACCES')) return { name, state: 'note', detail: `this user may not listen on ${at}` };
  const detail = `nothing can listen on ${at}: ${error.message}; set "${key}" to an address of this machine`;
  return { name, state: 'missing', detail };
}

/** Only a try tells: a connection may be refused by a firewall, and an address of all interfaces collides with each of them. */
function whyNotFree({ host, port }: Address): Promise<Error | undefined> {
  return new Promise((settle) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', settle);
    server.listen({ host, port }, () => server.close(() => settle(undefined)));
  });
}
