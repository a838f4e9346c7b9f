import { lookup } from 'node:dns/promises';
import { isIP, type Socket } from 'node:net';
import { SocksClient } from 'socks';
import { type Login, loginIn } from './connection.ts';
import { keepSecret, withoutUserinfo } from './redact.ts';

/** Kinds of SOCKS proxies by the scheme of their URL, and whether the proxy looks names up (curl(1), "--proxy"). */
const KINDS: Readonly<Record<string, { readonly type: 4 | 5; readonly takesNames: boolean }>> = {
  'socks:': { type: 4, takesNames: false },
  'socks4:': { type: 4, takesNames: false },
  'socks4a:': { type: 4, takesNames: true },
  'socks5:': { type: 5, takesNames: false },
  'socks5h:': { type: 5, takesNames: true },
};

/** How long a proxy may take until the connection stands; milliseconds. */
const LIMIT_MS = 30_000;

/** Whether a proxy's URL names a SOCKS proxy. */
export const isSocks = (proxy: string): boolean => URL.canParse(proxy) && new URL(proxy).protocol in KINDS;

/**
 * Opens a connection to a server through a SOCKS proxy.
 * @param login at the proxy, where its URL has none
 * @throws Error that names the proxy, or of the look-up of a name
 */
export async function throughSocks(
  proxy: string,
  login: Login | undefined,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Socket> {
  const { protocol, hostname, port: written } = new URL(proxy);
  const { type, takesNames } = KINDS[protocol] ?? { type: 5, takesNames: true };
  const known = loginIn(proxy) ?? login;
  if (known) keepSecret(known.password);
  const name = bare(host);
  const wanted = takesNames || isIP(name) !== 0 ? name : (await lookup(name, { family: type === 4 ? 4 : 0 })).address;
  const made = SocksClient.createConnection({
    command: 'connect',
    destination: { host: wanted, port },
    proxy: {
      host: bare(hostname),
      port: Number(written || 1080),
      type,
      ...(known && { userId: known.username, password: known.password }),
    },
    timeout: LIMIT_MS,
  });
  try {
    return (await made).socket;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    // Without a cause: of causes the innermost is shown, and that does not name the proxy.
    throw new Error(`the proxy ${withoutUserinfo(proxy)} opens no connection to ${host}:${port}: ${reason}`);
  }
}

/** An address of IPv6 stands in brackets in a URL. */
const bare = (host: string): string => host.replace(/^\[(.*)\]$/, '$1');
