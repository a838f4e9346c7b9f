import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createGate, type Doing, type Gate, MAX_PIPELINED } from '../../src/service/http/gate.ts';
import type { Turns } from '../../src/service/http/turns.ts';

/** Turns that come when the test says so. */
function turnsByHand(): Turns & { readonly waiting: (() => void)[]; next(): void } {
  const waiting: (() => void)[] = [];
  return {
    waiting,
    wait: (_, begin) => void waiting.push(begin),
    arrived: () => undefined,
    next: () => waiting.shift()?.(),
  };
}

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

const http = createHttpServer();
const front = createServer({ allowHalfOpen: true });
const open: Socket[] = [];
let asked: Asked[];
let doings: Doing[];
const gates: Gate[] = [];
let turns: ReturnType<typeof turnsByHand>;
let probes: ReturnType<typeof turnsByHand>;

http.on('request', (request, response) => {
  gates.find(({ stream }) => Object.is(stream, request.socket))?.begun(request, response, false);
  asked.push({ request, response });
});
front.on('connection', (socket) => {
  const gate = createGate(socket, {
    ...{ who: 'a', turns, probes, attach: (stream) => void http.emit('connection', stream) },
    onDoing: (doing) => doings.push(doing),
  });
  gates.push(gate);
});

beforeEach(async () => {
  [asked, doings, turns, probes] = [[], [], turnsByHand(), turnsByHand()];
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
});
afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  for (const { stream } of gates.splice(0)) stream.destroy();
  front.close();
  await once(front, 'close');
});

interface Client {
  readonly socket: Socket;
  said: string;
  ended: boolean;
}

async function client(text: string): Promise<Client> {
  const { port } = front.address() as AddressInfo;
  const socket = createConnection({ port, host: '127.0.0.1' });
  const one: Client = { socket, said: '', ended: false };
  open.push(socket);
  socket.on('data', (chunk) => (one.said += chunk)).on('error', () => undefined);
  socket.on('close', () => (one.ended = true));
  await once(socket, 'connect');
  socket.write(text);
  return one;
}

const soon = <Value>(what: () => Value) => expect.poll(what, { timeout: 60_000, interval: 5 });
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const urls = (): (string | undefined)[] => asked.map(({ request }) => request.url);
const answered = ({ said }: Client): number => [...said.matchAll(/HTTP\/1.1 200/g)].length;

/** Its turn comes; what follows of that is over. */
async function turn(from = turns): Promise<void> {
  await soon(() => from.waiting.length).toBe(1);
  from.next();
}

test('of many requests in one piece one is read each turn, and none before the answer to the one before', async () => {
  const paths = ['/1', '/2', '/3'];
  const one = await client(paths.map(get).join(''));
  // Nothing is read before its turn.
  await soon(() => turns.waiting.length).toBe(1);
  expect(asked).toEqual([]);
  for (const [index, path] of paths.entries()) {
    await turn();
    await soon(() => urls().at(-1)).toBe(path);
    expect(asked).toHaveLength(index + 1);
    expect(turns.waiting).toEqual([]);
    asked[index]?.response.end('x');
    await soon(() => answered(one)).toBe(index + 1);
  }
  expect(doings.filter((doing) => doing === 'request')).toHaveLength(3);
  expect(doings.at(-1)).toBe('nothing');
});

test('lines that end in a line feed only are refused or, by an older Node.js, no more than one request a turn', async () => {
  const one = await client(get('/').repeat(3).replaceAll('\r\n', '\n'));
  await turn();
  await soon(() => one.ended || asked.length > 0).toBe(true);
  expect(asked.length).toBeLessThan(2);
});

test('with a thousand requests in one piece a connection is ended before any is read', async () => {
  const one = await client(get('/').repeat(1000));
  await turn();
  await soon(() => one.ended).toBe(true);
  expect(asked).toEqual([]);
});

test('as many as are allowed are all answered', async () => {
  const one = await client(get('/').repeat(MAX_PIPELINED));
  for (let index = 0; index < MAX_PIPELINED; index += 1) {
    await turn();
    await soon(() => asked.length).toBe(index + 1);
    asked[index]?.response.end();
  }
  await soon(() => answered(one)).toBe(MAX_PIPELINED);
  expect(one.ended).toBe(false);
});

test('those who ask whether the process answers wait only for one another', async () => {
  const one = await client(get('/healthz'));
  await turn(probes);
  await soon(() => urls()).toEqual(['/healthz']);
  expect(turns.waiting).toEqual([]);
  asked[0]?.response.end('ok');
  await soon(() => one.said).toMatch(/ok$/);
});

test('a request comes in whatever pieces, with blank lines in its body, and the next one behind it', async () => {
  const body = '{}\r\n\r\n[]\n\nx';
  const text = `POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}${get('/b')}`;
  const one = await client('');
  const ticking = setInterval(() => turns.next(), 1);
  one.socket.setNoDelay(true);
  for (let at = 0; at < text.length; at += 7) {
    one.socket.write(text.slice(at, at + 7));
    await new Promise((settle) => setTimeout(settle, 2));
  }
  await soon(() => asked.length).toBe(1);
  let got = '';
  for await (const piece of asked[0]?.request ?? []) got += piece;
  expect(got).toBe(body);
  asked[0]?.response.end('x');
  await soon(() => urls()).toEqual(['/a', '/b']);
  clearInterval(ticking);
});

test('a body that nobody takes is not collected', async () => {
  const one = await client('POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n');
  const ticking = setInterval(() => turns.next(), 1);
  await soon(() => asked.length).toBe(1);
  let sent = 0;
  const piece = Buffer.alloc(64 * 1024, 'x');
  // Until the kernel takes no more of it.
  const fill = async (): Promise<void> => {
    while (sent < 40_000_000) {
      const more = await new Promise<boolean>((settle) => {
        one.socket.write(piece, () => settle(true));
        setTimeout(() => settle(false), 500).unref();
      });
      if (!more) return;
      sent += piece.length;
    }
  };
  await fill();
  expect(sent).toBeLessThan(40_000_000);
  expect(asked[0]?.request.readableLength).toBeLessThan(256 * 1024);
  clearInterval(ticking);
});

test('who is gone is noticed while the answer is made, and before anything was asked', async () => {
  const one = await client(get('/'));
  await turn();
  await soon(() => asked.length).toBe(1);
  let closed = false;
  asked[0]?.response.on('close', () => (closed = true));
  one.socket.destroy();
  await soon(() => closed).toBe(true);

  const silent = await client('');
  await soon(() => gates.length).toBe(2);
  expect(gates[1]?.stream.destroyed).toBe(false);
  silent.socket.end();
  await soon(() => gates[1]?.stream.destroyed).toBe(true);
});

test('what has no end of a head is refused at the limit of HTTP', async () => {
  const one = await client(`GET / HTTP/1.1\r\nX: ${'a'.repeat(100_000)}`);
  const ticking = setInterval(() => turns.next(), 1);
  await soon(() => one.said).toMatch(/^HTTP\/1.1 431 /);
  await soon(() => one.ended).toBe(true);
  clearInterval(ticking);
});
