import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Task } from '../../src/base/task.ts';
import { run } from '../../src/programs/exec.ts';
import { readRepoKeys } from '../../src/rpm/repo-keys.ts';
import { parseRepoFile, withoutCredentials } from '../../src/rpm/repofile.ts';
import { readRepository } from '../../src/rpm/repomd.ts';
import {
  issueCertificate,
  makePrivateCa,
  type PrivateCa,
  type Running,
  serveOverTls,
  startSquid,
} from '../support/proxy-world.ts';
import { sharedFolder, temporaryFolder } from '../support/tmp.ts';

/** A repository behind a certificate and a login, its metalink and mirror list, and a server that collects what it is sent. */
const dir = sharedFolder();
let ca: PrivateCa;
let server: Running;
let loginServer: Running;
let other: { readonly port: number; readonly seen: (string | undefined)[]; close(): void };
const own = { cert: '', key: '' };
const LOGIN = { user: 'builder', password: 'repository-p@ss:word' };

const said: string[] = [];
const task: Task = {
  signal: new AbortController().signal,
  logFile: '/dev/null',
  say: (line) => void said.push(line),
  progress: () => undefined,
};

beforeAll(async () => {
  ca = await makePrivateCa(join(dir, 'ca'));
  Object.assign(own, await issueCertificate(ca, join(dir, 'client'), 'extendedKeyUsage=clientAuth'));
  await issueCertificate(ca, join(dir, 'expired'), 'extendedKeyUsage=clientAuth', 0);
  const root = join(dir, 'root');
  await mkdir(join(root, 'repodata'), { recursive: true });
  await writeFile(join(root, 'repodata/repomd.xml'), '<repomd><revision>7</revision></repomd>');
  await writeFile(join(root, 'key'), 'a key');
  const seen: (string | undefined)[] = [];
  const http = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.end(request.url === '/key' ? 'a key' : '<repomd><revision>8</revision></repomd>');
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  other = { port: (http.address() as AddressInfo).port, seen, close: () => http.close() };
  const more = `location /away/ { return 302 http://127.0.0.1:${other.port}/; }`;
  server = await serveOverTls(join(dir, 'mtls'), { ca, root, clients: ca });
  loginServer = await serveOverTls(join(dir, 'login'), { ca, root, login: LOGIN, more });
  const mirror = `https://localhost:${loginServer.port}`;
  await writeFile(join(root, 'mirrors'), `${mirror}/nothing/\n${mirror}/\n`);
  await writeFile(
    join(root, 'metalink'),
    `<metalink><files><file name="repomd.xml"><resources><url preference="9">${mirror}/repodata/repomd.xml</url></resources></file></files></metalink>`,
  );
});
afterAll(async () => {
  await Promise.all([server, loginServer].map((one) => one.stop()));
  other.close();
});

const repo = (...lines: string[]) => {
  const [found] = parseRepoFile(`[mini]\nsslcacert=ca/ca.pem\n${lines.join('\n')}\n`, join(dir, 'mini.repo'), {});
  if (!found) throw new Error('no section');
  return found;
};
const revision = async (...lines: string[]) => (await readRepository(repo(...lines), task)).revision;
const mtls = () => `baseurl=https://localhost:${server.port}/`;
const locked = (path = '') => `baseurl=https://localhost:${loginServer.port}/${path}`;

test('K10: certificate and key of a .repo file, from its folder, together or apart', async () => {
  expect(await revision(mtls(), 'sslclientcert=client.pem', 'sslclientkey=client.key')).toBe('7');
  await run('sh', ['-c', `cat ${own.cert} ${own.key} > ${join(dir, 'both.pem')}`]);
  expect(await revision(mtls(), `sslclientcert=${join(dir, 'both.pem')}`)).toBe('7');
});

test('K10: a key or certificate that cannot be used is named with its file and the cause', async () => {
  writeFileSync(join(dir, 'garbage.pem'), 'no PEM');
  mkdirSync(join(dir, 'folder.key'));
  await run('openssl', ['ec', '-in', own.key, '-aes128', '-passout', 'pass:xxxx', '-out', join(dir, 'locked.key')]);
  const refused = (...lines: string[]) => expect(revision(mtls(), ...lines)).rejects;
  const place = { file: join(dir, 'mini.repo'), line: 1 };
  const says = (message: string) =>
    expect.objectContaining({ code: 'config', place, message: expect.stringContaining(message) });
  const cert = 'sslclientcert=client.pem';
  await refused(cert, 'sslclientkey=gone.key').toThrow(
    says(`sslclientkey=${dir}/gone.key cannot be read: no such file`),
  );
  await refused(cert, 'sslclientkey=folder.key').toThrow(
    says(`${dir}/folder.key cannot be read: illegal operation on a directory`),
  );
  await refused(cert, 'sslclientkey=garbage.pem').toThrow(says('garbage.pem holds no private key in PEM format'));
  await refused(cert, 'sslclientkey=locked.key').toThrow(says('locked.key is protected by a passphrase'));
  await refused(cert, 'sslclientkey=ca/server.key').toThrow(says('server.key does not belong to the certificate'));
  await refused(cert).toThrow(says('client.pem holds no private key, and there is no sslclientkey='));
  await refused('sslclientcert=garbage.pem').toThrow(says('garbage.pem holds no certificate'));
  await refused('sslclientcert=expired.pem', 'sslclientkey=expired.key').toThrow(says('expired.pem expired on'));
  await refused('sslcacert=gone.pem').toThrow(says(`sslcacert=${dir}/gone.pem cannot be read`));
});

test('K10: a server that wants a certificate, or another authority’s, is told from one that is down', async () => {
  await expect(revision(mtls())).rejects.toThrow(/HTTP 400 .*asks for a client certificate: sslclientcert=/);
  const strange = await makePrivateCa(join(dir, 'strange'));
  await expect(revision(mtls(), `sslclientcert=${strange.cert}`, `sslclientkey=${strange.key}`)).rejects.toThrow(
    /HTTP 400 .*refuses the client certificate .*server\.pem/,
  );
  await expect(revision(mtls(), 'sslcacert=', 'sslverify=1')).rejects.toThrow(/certificate is not trusted/);
  expect(await revision(mtls(), 'sslcacert=', 'sslverify=0', 'sslclientcert=both.pem')).toBe('7');
});

test('K10: a login reaches list, metalink and their mirrors, in options or in the address, and no other server', async () => {
  const options = [`username=${LOGIN.user}`, `password=${LOGIN.password}`];
  const inUrl = `https://${LOGIN.user}:${encodeURIComponent(LOGIN.password)}@localhost:${loginServer.port}`;
  for (const list of ['mirrorlist', 'metalink']) {
    const name = list === 'metalink' ? 'metalink' : 'mirrors';
    expect(await revision(`${list}=https://localhost:${loginServer.port}/${name}`, ...options)).toBe('7');
    expect(await revision(`${list}=${inUrl}/${name}`)).toBe('7');
  }
  expect(await revision(`baseurl="${inUrl}"`)).toBe('7');
  await expect(revision(locked())).rejects.toThrow(/HTTP 401 .*asks for a login/);
  await expect(revision(locked(), 'username=x', 'password=wrong-password')).rejects.toThrow(/401 .*refuses the login/);
  // Redirected to another server, and a key that lies there: neither is told the login.
  expect(await revision(locked('away/'), ...options)).toBe('8');
  expect(await revision(`baseurl=${inUrl}/away/`)).toBe('8');
  const key = `gpgkey=http://127.0.0.1:${other.port}/key`;
  expect(await readRepoKeys(repo(locked(), 'gpgcheck=1', key, ...options), task)).toEqual(['a key']);
  expect(await readRepoKeys(repo(`baseurl=${inUrl}`, 'gpgcheck=1', `gpgkey=${inUrl}/key`), task)).toEqual(['a key']);
  expect(other.seen).toEqual([undefined, undefined, undefined]);
});

test('I11: nothing of a login is in what is known of a repository but how it is reached', async () => {
  const found = repo(
    'baseurl=https://u:p%40ssword@h/x/, https://u:p@ss@h2/',
    'metalink=https://u:secret@h3/m',
    'gpgkey=https://u:secret@h4/k',
    'username=user-name',
    'password=pass-word',
  );
  const { connection, ...about } = found;
  expect(JSON.stringify(about)).not.toMatch(/p%40ssword|p@ss|secret|pass-word|user-name/);
  expect(connection.serverLogins?.map(({ origin }) => origin)).toEqual([
    'https://h',
    'https://h2',
    'https://h3',
    'https://h4',
  ]);
});

test('I11: the copy of a .repo file has neither users nor passwords, and reads as the original otherwise', () => {
  const text = `# remark
[mini]
baseurl = https://builder:p%40ss@a.example.org/$basearch/,
  ftp://x:y@b.example.org/
username=builder
password = "secret word"
  with more
proxy=http://nightly:proxy@secret@proxy.example.org:3128
proxy_password=another
proxy_username=nightly
gpgcheck=1
name=mail a@b.example.org
`;
  const copied = withoutCredentials(text);
  expect(copied).not.toMatch(/builder|p%40ss|x:y|secret|more|nightly|another/);
  expect(copied.split('\n')).toHaveLength(text.split('\n').length);
  const [section] = parseRepoFile(copied, '/x/mini.repo', { basearch: 'x86_64' });
  expect(section).toMatchObject({
    baseurl: ['https://a.example.org/x86_64/', 'ftp://b.example.org/'],
    gpgcheck: true,
    connection: { proxy: 'http://proxy.example.org:3128' },
    options: { name: 'mail a@b.example.org' },
  });
  expect(withoutCredentials(copied)).toBe(copied);
});

test('I11: a password from the treefile is refused, since that is published', () => {
  const read = (line: string) =>
    parseRepoFile(`[mini]\n${line}\n`, '/x/mini.repo', { token: 'secret', basearch: 'x' }, ['token']);
  for (const line of ['password=$token', `baseurl=https://u:\${token}@h/$basearch/`, 'proxy=http://$token:x@h'])
    expect(() => read(line)).toThrow(
      expect.objectContaining({ code: 'config', message: expect.stringContaining('published with each build') }),
    );
  expect(read('baseurl=https://u:$other@h/$basearch/')[0]?.baseurl).toEqual(['https://h/x/']);
});

test('K10: a proxy that asks for a login, or refuses the one it is given, is named, and where to write it', async () => {
  const place = temporaryFolder();
  await run('chmod', ['755', place]);
  const squid = await startSquid(join(place, 'squid'), { user: 'nightly', password: 'right-word' });
  try {
    for (const base of [`https://localhost:${loginServer.port}/`, `http://127.0.0.1:${other.port}/`]) {
      const through = (...lines: string[]) =>
        expect(revision(`baseurl=${base}`, `proxy=http://127.0.0.1:${squid.port}`, ...lines)).rejects;
      await through().toThrow(
        `the proxy http://127.0.0.1:${squid.port} asks for a login (HTTP 407): it takes proxy_username= and proxy_password=`,
      );
      await through('proxy_username=nightly', 'proxy_password=wrong-word').toThrow(
        /refuses the login \(HTTP 407\): correct/,
      );
    }
    process.env['https_proxy'] = `http://nightly:wrong-word@127.0.0.1:${squid.port}`;
    await expect(revision(locked())).rejects.toThrow(/refuses the login .*: correct user and password in https_proxy/);
    expect(said.join('\n')).not.toMatch(/wrong-word/);
  } finally {
    delete process.env['https_proxy'];
    await squid.stop();
  }
});
