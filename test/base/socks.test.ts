import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { httpFetch } from '../../src/base/http.ts';
import { makePrivateCa, serveOverTls } from '../support/proxy-world.ts';
import { startSocks } from '../support/socks-server.ts';
import { temporaryFolder } from '../support/tmp.ts';

async function serve(): Promise<number> {
  const server = createServer((_, response) => response.end('plain'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

const text = async (url: string, connection: Parameters<typeof httpFetch>[2]) =>
  (await httpFetch(url, {}, connection)).text();

it('one HTTP client: SOCKS proxies of every kind that curl knows, with names looked up where curl does', async () => {
  const [port, socks] = [await serve(), await startSocks()];
  const seen = async (scheme: string) => {
    expect(await text(`http://localhost:${port}/`, { proxy: `${scheme}://127.0.0.1:${socks.port}` })).toBe('plain');
    return socks.asked.at(-1);
  };
  expect(await seen('socks5h')).toBe('localhost');
  expect(await seen('socks4a')).toBe('localhost');
  expect(await seen('socks4')).toBe('127.0.0.1');
  expect(await seen('socks5')).toMatch(/^127\.0\.0\.1$|^0(\.0)*\.1$/);
});

it('one HTTP client: TLS and a login through a SOCKS proxy; the server’s certificate is checked', async () => {
  const dir = temporaryFolder();
  const root = join(dir, 'root');
  await mkdir(root);
  await writeFile(join(root, 'file'), 'over TLS');
  const ca = await makePrivateCa(join(dir, 'ca'));
  const tls = await serveOverTls(join(dir, 'tls'), { ca, root });
  onTestFinished(() => tls.stop());
  const socks = await startSocks({ user: 'me', password: 'p@ss' });
  const url = `https://localhost:${tls.port}/file`;
  const proxy = `socks5h://127.0.0.1:${socks.port}`;
  const login = { username: 'me', password: 'p@ss' };
  expect(await text(url, { proxy: proxy.replace('//', '//me:p%40ss@'), caFile: ca.ca })).toBe('over TLS');
  expect(await text(url, { proxy, proxyLogin: login, caFile: ca.ca })).toBe('over TLS');
  await expect(text(url, { proxy, proxyLogin: login })).rejects.toThrow(/certificate is not trusted/);
  const wrong = text(url, { proxy: proxy.replace('//', '//me:wrong-word@') });
  await expect(wrong).rejects.toThrow(`the proxy ${proxy} opens no connection to localhost:${tls.port}: `);
  await expect(wrong).rejects.not.toThrow('wrong-word');
});

it('a proxy that cannot be asked or reached is named, not the server behind it', async () => {
  const rejects = (proxy: string) => expect(text('http://example.org/', { proxy })).rejects;
  await rejects('http://127.0.0.1:1').toThrow(
    /^the proxy http:\/\/127.0.0.1:1 cannot be reached: connect ECONNREFUSED/,
  );
  await rejects('socks5h://127.0.0.1:1').toThrow(
    /^the proxy socks5h:\/\/127.0.0.1:1 opens no connection to example.org:80/,
  );
  const none = 'is no proxy that can be asked: its URL begins with http, https, socks4, socks4a, socks5 or socks5h';
  await rejects('ftp://me:secret@x').toThrow(`"ftp://x" in proxy= of the .repo file ${none}`);
  await rejects('http://[').toThrow(`"http://[" in proxy= of the .repo file ${none}`);
});
