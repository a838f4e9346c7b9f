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

/** Makes the authority and the certificate in a folder. */
export async function makePrivateCa(dir: string): Promise<PrivateCa> {
  await mkdir(dir, { recursive: true });
  const file = (name: string): string => join(dir, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];
  await run('openssl', [
    'req',
    '-x509',
    ...key,
    '-days',
    '30',
    '-subj',
    '/CN=Company CA',
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
  ]);
  await run('openssl', [
    'req',
    '-new',
    ...key,
    '-subj',
    '/CN=localhost',
    '-keyout',
    file('server.key'),
    '-out',
    file('server.csr'),
  ]);
  await writeFile(file('server.ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  const signing = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-extfile', file('server.ext')];
  await run('openssl', [
    'x509',
    '-req',
    '-in',
    file('server.csr'),
    ...signing,
    '-days',
    '30',
    '-out',
    file('server.pem'),
  ]);
  return { ca: file('ca.pem'), cert: file('server.pem'), key: file('server.key') };
}

/** A web server over TLS for a folder, which asks for a user and password below `locked`. */
export async function serveOverTls(
  dir: string,
  {
    ca,
    root,
    login,
  }: { readonly ca: PrivateCa; readonly root: string; readonly login?: { user: string; password: string } },
): Promise<Running> {
  await mkdir(dir, { recursive: true });
  const port = await freePort();
  let auth = '';
  if (login) {
    const { stdout } = await run('openssl', ['passwd', '-apr1', '-stdin'], { input: login.password });
    await writeFile(join(dir, 'users'), `${login.user}:${stdout.trim()}\n`);
    auth = `auth_basic "repository"; auth_basic_user_file ${join(dir, 'users')};`;
  }
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${dir}/${name};`,
  );
  await writeFile(
    join(dir, 'nginx.conf'),
    `user root; daemon off; pid ${dir}/pid; error_log ${dir}/error.log; events {}
http { access_log ${dir}/access.log; ${temporary.join(' ')}
  server { listen 127.0.0.1:${port} ssl; ssl_certificate ${ca.cert}; ssl_certificate_key ${ca.key}; root ${root}; ${auth} } }
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
