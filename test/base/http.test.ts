import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { caFileFor, trustAt } from '../../src/base/ca-files.ts';
import { bodyOf, httpFetch } from '../../src/base/http.ts';
import { proxyFor } from '../../src/base/proxies.ts';
import { readPublished } from '../../src/ostree/seed-repo.ts';
import { makePrivateCa } from '../support/proxy-world.ts';
import { temporaryFolder } from '../support/tmp.ts';

const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;

describe('one HTTP client: proxies by curl’s rules', () => {
  const asked = (url: string, env: Record<string, string>): string | undefined => proxyFor(new URL(url), {}, env);

  it('takes the variable of the scheme, then all_proxy; HTTP_PROXY does not count', () => {
    expect(asked('http://a/', { http_proxy: 'http://p:1', https_proxy: 'http://s:1' })).toBe('http://p:1');
    expect(asked('https://a/', { http_proxy: 'http://p:1' })).toBeUndefined();
    expect(asked('https://a/', { HTTPS_PROXY: 'p:1' })).toBe('http://p:1');
    expect(asked('https://a/', { all_proxy: 'http://p:1', https_proxy: '' })).toBe('http://p:1');
    expect(asked('http://a/', { HTTP_PROXY: 'http://p:1' })).toBeUndefined();
  });

  it('leaves out what no_proxy names: hosts with all below them, addresses, networks', () => {
    const env = (no_proxy: string) => ({ http_proxy: 'http://p:1', no_proxy });
    const exempt = (host: string, list: string): boolean => asked(`http://${host}/`, env(list)) === undefined;
    expect(exempt('a.example.org', 'example.org')).toBe(true);
    expect(exempt('a.example.org', '.example.org, x')).toBe(true);
    expect(exempt('badexample.org', 'example.org')).toBe(false);
    expect(exempt('EXAMPLE.org.', 'example.ORG')).toBe(true);
    expect(exempt('10.1.2.3', '10.0.0.0/8')).toBe(true);
    expect(exempt('11.1.2.3', '10.0.0.0/8 11.1.2.4')).toBe(false);
    expect(exempt('[::1]', '::1')).toBe(true);
    expect(exempt('[fd00::1]', 'fd00::/8')).toBe(true);
    expect(exempt('a', '*')).toBe(true);
    expect(exempt('a', '10.0.0.0/99,/,[]')).toBe(false);
  });

  it('takes the connection’s own proxy, and none where it says none', () => {
    const env = { http_proxy: 'http://p:1' };
    expect(proxyFor(new URL('http://a/'), { proxy: 'http://own:1' }, env)).toBe('http://own:1');
    expect(proxyFor(new URL('http://a/'), { proxy: '' }, env)).toBeUndefined();
  });
});

describe('one HTTP client', () => {
  it('finds the certificates for the longest beginning of an address, at the bounds of its parts', () => {
    trustAt('https://a.example.org', '/a.pem');
    trustAt('https://a.example.org/x/', '/x.pem');
    expect(caFileFor('https://a.example.org/repo/summary')).toBe('/a.pem');
    expect(caFileFor('https://a.example.org/x/y')).toBe('/x.pem');
    expect(caFileFor('https://a.example.org/x')).toBe('/x.pem');
    expect(caFileFor('https://a.example.org.evil/x')).toBeUndefined();
  });

  it('K7: ends a body without an end, and waits for a slow one as long as it goes on', async () => {
    const zeros = Buffer.alloc(65_536);
    let asked = 0;
    const server = createServer((request, response) => {
      asked += 1;
      if (request.url === '/silent') return;
      let [sent, open] = [0, true];
      response.on('close', () => {
        open = false;
      });
      const send = (): void => {
        sent += 1;
        if (!open) return;
        if (request.url === '/slow') {
          if (sent > 8) response.end();
          else response.write('x', () => setTimeout(send, 100));
        } else response.write(zeros, () => setImmediate(send));
      };
      send();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close().closeAllConnections());
    const url = `http://127.0.0.1:${portOf(server)}`;
    await expect(bodyOf(await httpFetch(url), undefined, 1_000_000)).rejects.toThrow('it is longer than 1.0 MB');
    const signal = new AbortController().signal;
    expect(await readPublished(`${url}/slow`, signal, 400)).toHaveLength(8);
    await expect(readPublished(`${url}/silent`, AbortSignal.timeout(300), 100_000)).rejects.toThrow('timeout');
    asked = 0;
    await expect(readPublished(`${url}/silent`, signal, 50)).rejects.toThrow('nothing arrived for 0.05 s');
    expect(asked).toBe(4);
  });

  it('K19: says of half an answer what it is: a part that nobody asked for, or a connection that was cut', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/part') response.writeHead(206, { 'content-range': 'bytes 0-3/9' }).end('half');
      else {
        response.writeHead(200, { 'content-length': '9' }).write('half');
        setTimeout(() => response.destroy(), 50);
      }
    });
    server.listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((settle) => server.once('listening', settle));
    const at = (path: string): string => `http://127.0.0.1:${portOf(server)}${path}`;
    await expect(httpFetch(at('/part'))).rejects.toThrow('it sent a part of what was asked for (HTTP 206)');
    expect((await httpFetch(at('/part'), { headers: { range: 'bytes=0-3' } })).status).toBe(206);
    await expect(bodyOf(await httpFetch(at('/cut')))).rejects.toThrow('the connection ended before all of it had come');
  });

  it('sends a login to the server alone, not to where it redirects, and tells redirections without an end', async () => {
    const seen: (string | undefined)[] = [];
    const other = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.end('ok');
    });
    const first = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.statusCode = 302;
      response.setHeader('location', request.url === '/loop' ? '/loop' : `http://127.0.0.1:${portOf(other)}/`);
      response.end();
    });
    for (const server of [other, first]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      onTestFinished(() => void server.close());
    }
    const login = { username: 'u', password: 'p:w' };
    const response = await httpFetch(`http://127.0.0.1:${portOf(first)}/`, {}, { login, proxy: '' });
    expect(await response.text()).toBe('ok');
    expect(seen).toEqual([`Basic ${Buffer.from('u:p:w').toString('base64')}`, undefined]);
    await expect(httpFetch(`http://127.0.0.1:${portOf(first)}/loop`, {}, { proxy: '' })).rejects.toThrow(/redirect/);
    await expect(httpFetch('http://127.0.0.1:1/', {}, { proxy: '' })).rejects.toThrow(/ECONNREFUSED|bad port/);
  });
});

it('a proxy over TLS is trusted by its own settings, not by those of the server behind it', async () => {
  const dir = temporaryFolder();
  const ca = await makePrivateCa(join(dir, 'ca'));
  const far = createServer((_, response) => response.end('through'));
  const [cert, key] = [await readFile(ca.cert), await readFile(ca.key)];
  const proxy = createTlsServer({ cert, key });
  proxy.on('connect', ({ url = '' }, socket) => {
    const to = connect(Number(url.split(':')[1]), '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    to.pipe(socket).pipe(to);
  });
  for (const server of [far, proxy]) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
  }
  const ask = async (connection: object) => {
    const url = `https://localhost:${portOf(proxy)}`;
    const signal = AbortSignal.timeout(60_000);
    return (await httpFetch(`http://127.0.0.1:${portOf(far)}/`, { signal }, { proxy: url, ...connection })).text();
  };
  expect(await ask({ proxyTls: { caFile: ca.ca } })).toBe('through');
  expect(await ask({ proxyTls: { verify: false } })).toBe('through');
  await expect(ask({})).rejects.toThrow(/certificate is not trusted/);
  await expect(ask({ caFile: ca.ca, verify: false })).rejects.toThrow(/certificate is not trusted/);
});

describe('a proxy that does not speak is asked once, and named', () => {
  const WAYS: readonly (readonly [string, (socket: Socket) => void])[] = [
    ['closes at once', (socket) => socket.destroy()],
    ['closes after the question', (socket) => socket.once('data', () => socket.destroy())],
    ['resets after the question', (socket) => socket.once('data', () => socket.resetAndDestroy())],
    ['ends after the question', (socket) => socket.once('data', () => socket.end())],
    ['answers half a line', (socket) => socket.once('data', () => socket.end('HTTP/1.1 20'))],
    ['answers something else', (socket) => socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))],
    ['opens the tunnel and closes it', (socket) => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\n'))],
  ];
  // To a request that needs no tunnel, that answer is a good one.
  const schemesFor = (way: string) => (way.startsWith('opens the tunnel') ? ['https'] : ['http', 'https']);
  it.each(WAYS.flatMap(([way, act]) => schemesFor(way).map((scheme) => [way, scheme, act] as const)))(
    '%s, for %s',
    async (_, scheme, act) => {
      let asked = 0;
      const server = createTcpServer((socket) => {
        asked += 1;
        socket.on('error', () => undefined);
        act(socket);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      onTestFinished(() => void server.close());
      const proxy = `http://127.0.0.1:${portOf(server)}`;
      await expect(httpFetch(`${scheme}://example.test/x`, {}, { proxy })).rejects.toThrow();
      expect(asked).toBe(1);
    },
  );

  it('says which proxy it is', async () => {
    const server = createTcpServer((socket) => socket.once('data', () => socket.destroy()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const proxy = `http://127.0.0.1:${portOf(server)}`;
    await expect(httpFetch('https://example.test/x', {}, { proxy })).rejects.toThrow(
      `the proxy ${proxy} closes connections without an answer`,
    );
  });
});
