/** Addresses that a command of this program serves, each with that command: see startHintFor. */
const served = new Map<string, string>();

/**
 * Names the command that serves what is below an address: whoever is refused a connection there is told to start it.
 * @param url with scheme, host and port; its path does not matter
 */
export function servedBy(url: string, command: string): void {
  if (URL.canParse(url)) served.set(new URL(url).host, command);
}

/** What curl (with it ostree and dnf), undici and rpm-ostree say where nobody listens. */
const REFUSED = /ECONNREFUSED|Couldn't connect to server|Could not connect|Connection refused/i;

/**
 * Returns what to do about a failure, where it is that nobody listens at an address that `servedBy` was told; undefined for
 * any other.
 */
export function startHintFor(message: string): string | undefined {
  if (served.size === 0 || !REFUSED.test(message)) return undefined;
  for (const [host, command] of served) {
    if (addressesOf(host).some((text) => message.includes(text))) return `Start its web server: ${command}`;
  }
  return undefined;
}

/** Returns the spellings of an address in messages: that of the URL, those that a name may lead to, and curl's. */
function addressesOf(host: string): string[] {
  const { hostname, port } = new URL(`http://${host}`);
  const numbers = hostname === 'localhost' ? ['localhost', '127.0.0.1', '::1', '[::1]'] : [hostname];
  return numbers.flatMap((name) => [`${name}:${port || '80'}`, `${name} port ${port || '80'}`]);
}
