import { createServer as createHttpServer } from 'node:http';
import { join } from 'node:path';
import { Duplex, Readable } from 'node:stream';
import { setImmediate as round } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import fc from 'fast-check';
import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { type HubMessage, readHubMessage } from '../../src/content/hub-message.ts';
import type { ServiceControl } from '../../src/service/control.ts';
import { readByteRange } from '../../src/service/files/byte-range.ts';
import { requestedPath } from '../../src/service/files/published-file.ts';
import { serviceApp } from '../../src/service/http/service-app.ts';
import { isKnownToken, makeToken } from '../../src/service/http/token.ts';
import { boundedLines, TOO_LONG } from '../../src/service/listener/bounded-lines.ts';
import { parseFromService } from '../../src/service/listener/messages.ts';
import { findBuilds, parseBuildQuery } from '../../src/service/live/build-query.ts';
import { openWork } from '../../src/service/live/work-folder.ts';
import { fuzz, fuzzAsync, mutatedBytes, mutatedJson, mutatedText } from '../support/fuzz.ts';
import { sharedFolder } from '../support/tmp.ts';

const dir = sharedFolder();

it('the web server of a target takes any path, and names nothing outside of the folder', () => {
  const paths = ['/repo/config', '/a%2e%2e/%2fb', '/../.atomic-nightly/x', '/x.lock', '/a//b/', '/%00%ff'];
  fuzz(mutatedText(paths), (path) => requestedPath(path), {
    check: (path = '') =>
      expect(path.split('/').some((part) => part.startsWith('.') || part.includes('\0'))).toBe(false),
  });
  fuzz(mutatedText(['bytes=0-1', 'bytes=-5', 'bytes=7-', 'bytes=0-1,4-5']), (header) => readByteRange(header, 10), {
    check(range) {
      if (typeof range === 'object') expect(range.start >= 0 && range.start <= range.end && range.end < 10).toBe(true);
    },
  });
});

it('the API takes any query, and says what is wrong with it', () => {
  const queries = [
    'package=a*b&state=failed&limit=5',
    'since=2026-11-21&until=2026-11-22T01:02:03Z',
    'before=20261121_01&stream=x',
  ];
  fuzz(mutatedText(queries), (query) => parseBuildQuery(new URLSearchParams(query)), {
    check(answer) {
      if ('faults' in answer) expect(answer.faults.length).toBeGreaterThan(0);
      else expect(findBuilds([], answer.query)).toEqual({ found: [], more: false });
    },
  });
});

describe('the HTTP trigger', () => {
  const { token, hash } = makeToken();
  const config = parseConfig(
    `name: mini
targets: {mirror: {type: directory, path: ./mirror, url: 'https://example.org/'}}
streams: {nightly: {treefile: host.yaml, targets: [mirror]}}
service: {listen: '127.0.0.1:0', trigger: {token-hash-file: ./hashes}}
`,
    join(dir, 'atomic-nightly.yaml'),
    { rules: false },
  );
  let asked: string[] = [];
  const control: ServiceControl = {
    ...{ jobs: () => ({ waiting: 0, active: 0 }), draining: () => false, nextRuns: () => [] },
    ...{
      holder: async () => undefined,
      unreadiness: async () => [],
      keyExpiries: async () => [],
      standingProblems: async () => [],
    },
    trigger: async (stream, from) => {
      asked.push(stream, from);
      return new Date(0);
    },
    content: () => undefined,
    heard: () => undefined,
    askContent: async (tag, from) => void asked.push(tag, from),
    read: async () => `${hash}  one\n`,
  };
  const faults: string[] = [];
  const app = serviceApp(
    config,
    control,
    { pages: new Hono(), work: openWork(config.work), log: (sentence) => void faults.push(sentence) },
    async () => '',
  );
  const answer = getRequestListener(app.fetch);
  let under = 0;
  const server = createHttpServer({ maxHeaderSize: 16_384 }, (request, response) => {
    under += 1;
    response.once('close', () => (under = Math.max(0, under - 1)));
    void answer(request, response);
  });

  /** Gives HTTP some bytes of a client; what it answers until it is done, or asks for more. */
  async function answerTo(bytes: Uint8Array, remoteAddress: string): Promise<string> {
    let said = '';
    const socket = Object.assign(
      new Duplex({
        read: () => undefined,
        write(chunk, _, done) {
          said += chunk;
          done();
        },
      }),
      { remoteAddress },
    );
    socket.on('error', () => undefined);
    server.emit('connection', socket);
    socket.push(bytes);
    // One whose body does not come is still waited for.
    for (let rounds = 0; rounds < 3 || (under > 0 && rounds < 50); rounds += 1) await round();
    socket.destroy();
    // An answer that waits behind another's is never closed once its client is gone.
    for (let rounds = 0; under > 0 && rounds < 50; rounds += 1) await round();
    under = 0;
    return said;
  }

  const post = (path: string, more: string, body = ''): string =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n${more}\r\n${body}`;
  const samples = [
    post('/trigger/nightly', 'Content-Length: 0\r\n'),
    post('/trigger/nightly', 'Content-Length: 9\r\nContent-Type: application/json\r\n', '{"a":"b"}'),
    post('/trigger/nightly', 'Transfer-Encoding: chunked\r\n', '4\r\nabcd\r\n0\r\n\r\n'),
    post('/trigger/other', 'Content-Length: 0\r\n'),
    post('/trigger/nightly', 'Content-Length: 0\r\n').replace('Host: x', 'Host: x1.1'),
    'GET / HTTP/1.1\r\nHost: 1.2.3.4.5\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
  ];

  it('takes the stream it was asked for, or refuses', async () => {
    let taken = 0;
    const address = fc.ipV4();
    await fuzzAsync(
      fc.tuple(
        fc.oneof(
          { weight: 9, arbitrary: mutatedBytes(samples) },
          fc.constantFrom(...samples.map((s) => Buffer.from(s))),
        ),
        address,
      ),
      async ([bytes, from]) => {
        asked = [];
        faults.length = 0;
        return [await answerTo(bytes, from), from] as const;
      },
      {
        check: ([said, from]) => {
          expect(faults.join()).toBe('');
          const codes = [...said.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, code]) => Number(code));
          for (const code of codes)
            expect([100, 200, 202, 400, 401, 404, 405, 408, 409, 413, 417, 429, 431]).toContain(code);
          for (let at = 0; at < asked.length; at += 2)
            expect(asked.slice(at, at + 2)).toEqual(['nightly', `${from} over HTTP`]);
          taken += asked.length;
        },
      },
    );
    expect(taken).toBeGreaterThan(0);
  });

  it('tokens and files of their hashes', () => {
    fuzz(mutatedText([`${hash}  one\n# two\n`]), (text) => isKnownToken(token, text));
    fuzz(mutatedText([token]), (text) => isKnownToken(text, hash), {
      check: (known) => expect(typeof known).toBe('boolean'),
    });
  });
});

describe("koji's bus", () => {
  it('messages of every plugin, and of others', () => {
    const known = [
      { action: 'postTag', tag: 'storage7-gluster-7-release' },
      { topic: 'org.centos.prod.buildsys.tag', body: { tag: 'cloud8s-openstack-yoga-release', build_id: 1 } },
      { tag: { id: 3, name: 'storage7-gluster-7-testing' }, user: { name: 'x' } },
    ].map((one) => JSON.stringify(one));
    const check = (read: HubMessage): void => {
      if ('tag' in read) expect(read.tag).toMatch(/^[A-Za-z0-9][A-Za-z0-9._+~-]*$/);
    };
    fuzz(mutatedBytes(known), readHubMessage, { check });
    fuzz(
      mutatedJson(known.map((one) => JSON.parse(one))),
      (value) => readHubMessage(Buffer.from(JSON.stringify(value) ?? '')),
      {
        check,
      },
    );
  });
});

describe('what the two processes of a service say', () => {
  const status = {
    waiting: 0,
    active: 1,
    draining: false,
    nextRuns: [{ stream: 'nightly', at: '2026-11-21T00:00:00Z' }],
  };
  const messages = [
    { start: { path: '/x.yaml', config: 'name: x' }, status },
    { status },
    { answer: 1, value: 'x' },
    { answer: 2, fault: { code: 'usage', message: 'm' } },
    { say: 'alive' },
  ];
  /** The listening process ends with it; nobody else can say anything to it. */
  class Refused extends Error {}
  const refusing = <Value>(read: () => Value): Value => {
    try {
      return read();
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) throw error;
      throw new Refused(String(error));
    }
  };

  it('what the service says', () => {
    const options = { refusals: [Refused] };
    fuzz(mutatedJson(messages), (value) => refusing(() => parseFromService(JSON.stringify(value) ?? '')), options);
    fuzz(
      mutatedText(messages.map((one) => JSON.stringify(one))),
      (text) => refusing(() => parseFromService(text)),
      options,
    );
  });

  it('lines of bounded length, in whatever pieces', async () => {
    await fuzzAsync(
      fc.array(mutatedBytes(['{"say":"alive"}\n', `${'x'.repeat(300)}\n`, '\n\n']), { maxLength: 4 }),
      async (pieces) => {
        const lines: unknown[] = [];
        for await (const line of boundedLines(Readable.from(pieces), 200)) lines.push(line);
        return lines;
      },
      {
        check: (lines) => {
          for (const line of lines) expect(line === TOO_LONG || Buffer.byteLength(String(line)) <= 600).toBe(true);
        },
      },
    );
  });
});
