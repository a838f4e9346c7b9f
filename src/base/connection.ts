/** Who logs in at a server or a proxy. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/** What TLS is to trust and to show. */
export interface TlsSettings {
  /** File with the certificates that may vouch for the server, in place of the system's. */
  readonly caFile?: string | undefined;
  /** File with a client certificate, and with its key where that is not in the same file; PEM. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** Whether the server's certificate must be good; default: it must. */
  readonly verify?: boolean | undefined;
}

/** How a server is reached; what is not said is as curl would do it. */
export interface Connection extends TlsSettings {
  /** URL of a proxy; empty: none, whatever the environment says. */
  readonly proxy?: string;
  readonly proxyLogin?: Login;
  /** The same for a proxy that is reached over TLS. */
  readonly proxyTls?: TlsSettings;
  /** Login at the server itself, by basic authentication. */
  readonly login?: Login;
  /** Logins that count for the server of one address alone; they go before `login`. */
  readonly serverLogins?: readonly { readonly origin: string; readonly login: Login }[];
}

/** Returns the login for the server of an address: in the address itself, for that server alone, or for all. */
export function loginFor(url: string, { login, serverLogins = [] }: Connection): Login | undefined {
  const origin = originOf(url);
  return loginIn(url) ?? serverLogins.find((one) => one.origin === origin)?.login ?? login;
}

/** Returns scheme, host and port of an address; undefined for what is none. */
export function originOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).origin : undefined;
}

/** Returns user and password of a URL. */
export function loginIn(url: string): Login | undefined {
  if (!URL.canParse(url)) return undefined;
  const { username, password } = new URL(url);
  if (username === '' && password === '') return undefined;
  return { username: decoded(username), password: decoded(password) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone "%": curl takes it as it is.
    return text;
  }
}

/** Returns the value of the header of basic authentication (RFC 7617). */
export const basicAuth = ({ username, password }: Login): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
