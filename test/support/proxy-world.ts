import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../src/base/free-port.ts';
import { run, start } from '../../src/programs/exec.ts';

/** A running server that a test stops. */
export interface Running {
  readonly port: number;
  stop(): Promise<void>;
}

/** A certificate authority of a company, and a certificate of it for 127.0.0.1 and localhost. */
export interface PrivateCa {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];

/** Makes the authority and the certificate in a folder. */
export async function makePrivateCa(dir: string): Promise<PrivateCa> {
  await mkdir(dir, { recursive: true });
  const [ca, caKey] = [join(dir, 'ca.pem'), join(dir, 'ca.key')];
  await run('openssl', [
    'req',
    '-x509',
    ...NEW_KEY,
    '-days',
    '30',
    '-subj',
    '/CN=Company CA',
    '-keyout',
    caKey,
    '-out',
    ca,
  ]);
  const server = await issueCertificate({ ca }, join(dir, 'server'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
  return { ca, ...server };
}

/** Has an authority sign a certificate: `NAME.pem`, with its key in `NAME.key`. */
export async function issueCertificate(
  { ca }: Pick<PrivateCa, 'ca'>,
  name: string,
  extension: string,
  days = 30,
): Promise<{ readonly cert: string; readonly key: string }> {
  const file = (suffix: string): string => `${name}.${suffix}`;
  await run('openssl', [
    'req',
    '-new',
    ...NEW_KEY,
    '-subj',
    '/CN=localhost',
    '-keyout',
    file('key'),
    '-out',
    file('csr'),
  ]);
  await writeFile(file('ext'), `${extension}\n`);
  const by = ['-CA', ca, '-CAkey', ca.replace(/pem$/, 'key'), '-CAcreateserial', '-extfile', file('ext')];
  await run('openssl', ['x509', '-req', '-in', file('csr'), ...by, '-days', String(days), '-out', file('pem')]);
  return { cert: file('pem'), key: file('key') };
}

/** A web server over TLS for a folder; it may ask for a user and password, and for a certificate of an authority's clients. */
export async function serveOverTls(
  dir: string,
  {
    ca,
    root,
    login,
    clients,
    more = '',
  }: {
    readonly ca: PrivateCa;
    readonly root: string;
    readonly login?: { user: string; password: string };
    readonly clients?: PrivateCa;
    /** Further lines of its server block. */
    readonly more?: string;
  },
): Promise<Running> {
  await mkdir(dir, { recursive: true });
  const port = await freePort();
  let auth = '';
  if (login) {
    const { stdout } = await run('openssl', ['passwd', '-apr1', '-stdin'], { input: login.password });
    await writeFile(join(dir, 'users'), `${login.user}:${stdout.trim()}\n`);
    auth = `auth_basic "repository"; auth_basic_user_file ${join(dir, 'users')};`;
  }
  const asked = clients ? `ssl_client_certificate ${clients.ca}; ssl_verify_client on;` : '';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${dir}/${name};`,
  );
  await writeFile(
    join(dir, 'nginx.conf'),
    `user root; daemon off; pid ${dir}/pid; error_log ${dir}/error.log; events {}
http { access_log ${dir}/access.log; ${temporary.join(' ')}
  server { listen 127.0.0.1:${port} ssl; ssl_certificate ${ca.cert}; ssl_certificate_key ${ca.key}; root ${root};
    ${auth} ${asked} ${more} } }
`,
  );
  const server = await start('nginx', ['-e', join(dir, 'error.log'), '-c', join(dir, 'nginx.conf')]);
  await listening(port);
  return { port, stop: () => server.stop() };
}

/** A squid that lets nobody through without user and password; its log tells what went through. */
export async function startSquid(
  dir: string,
  login: { readonly user: string; readonly password: string },
): Promise<Running & { readonly log: string }> {
  await mkdir(dir, { recursive: true });
  const port = await freePort();
  const { stdout } = await run('openssl', ['passwd', '-apr1', '-stdin'], { input: login.password });
  await writeFile(join(dir, 'users'), `${login.user}:${stdout.trim()}\n`);
  const log = join(dir, 'access.log');
  await writeFile(
    join(dir, 'squid.conf'),
    `http_port 127.0.0.1:${port}
auth_param basic program /usr/lib/squid/basic_ncsa_auth ${join(dir, 'users')}
auth_param basic children 2
auth_param basic realm company
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
cache deny all
access_log stdio:${log}
cache_log ${join(dir, 'cache.log')}
pid_filename ${join(dir, 'pid')}
coredump_dir ${dir}
shutdown_lifetime 0 seconds
visible_hostname proxy.test
pinger_enable off
`,
  );
  // It leaves root behind.
  await chmod(dir, 0o777);
  const server = await start('squid', ['-N', '-f', join(dir, 'squid.conf')]);
  await listening(port);
  return { port, log, stop: () => server.stop() };
}

/** Waits until something listens; the test's own limit ends a wait for nothing. */
async function listening(port: number): Promise<void> {
  for (;;) {
    const { stdout } = await run('ss', ['-ltnH', `sport = :${port}`]);
    if (stdout.trim() !== '') return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
