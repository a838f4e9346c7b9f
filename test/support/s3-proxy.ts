import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { onTestFinished } from 'vitest';

/**
 * What happens to a request: nothing; an error instead of an answer; the connection cut before the server sees it, in the
 * middle of what is sent (with the whole length announced), or after the server has done it but before its answer.
 */
export type Fate = 'pass' | 'error 500' | 'slow down' | 'cut before' | 'cut midway' | 'cut after';

export interface SeenRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** The Content-MD5 it came with. */
  readonly md5: string | undefined;
}

export interface S3Proxy {
  readonly endpoint: string;
  readonly seen: readonly SeenRequest[];
  /** Decides about the requests from now on. */
  decide(fate: (request: SeenRequest, index: number) => Fate): void;
}

export interface S3ProxyOptions {
  /** As Amazon's does, it takes a plus sign in the path for a blank. */
  readonly plusIsBlank?: boolean;
}

/** As `launchS3Proxy`, until the running test ends. */
export async function startS3Proxy(server: string, options: S3ProxyOptions = {}): Promise<S3Proxy> {
  const proxy = await launchS3Proxy(server, options);
  onTestFinished(proxy.stop);
  return proxy;
}

/** Stands between a client and an S3 server on loopback; keeps what was asked. */
export async function launchS3Proxy(
  server: string,
  { plusIsBlank = false }: S3ProxyOptions = {},
): Promise<S3Proxy & { stop(): Promise<void> }> {
  const seen: SeenRequest[] = [];
  let fateOf: (request: SeenRequest, index: number) => Fate = () => 'pass';
  const proxy = createServer((from, to) => {
    const md5 = from.headers['content-md5'];
    const asked = { method: from.method ?? '', path: from.url ?? '', md5: typeof md5 === 'string' ? md5 : undefined };
    seen.push(asked);
    // What a cut leaves of either connection is of no interest.
    from.on('error', () => undefined);
    to.on('error', () => undefined);
    if (plusIsBlank) from.url = from.url?.replaceAll('+', '%20');
    handle(fateOf(asked, seen.length - 1), from, to, server);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = proxy.address();
  return {
    endpoint: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    seen,
    decide: (fate) => {
      fateOf = fate;
    },
    async stop() {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

function handle(fate: Fate, from: IncomingMessage, to: ServerResponse, server: string): void {
  switch (fate) {
    case 'pass':
      forward(from, to, server, (answer) => {
        to.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(to);
      });
      return;
    case 'cut after':
      forward(from, to, server, (answer) => {
        answer.resume();
        answer.on('end', () => from.socket.destroy());
      });
      return;
    case 'cut before':
      from.socket.destroy();
      return;
    case 'cut midway':
      cutMidway(from, server);
      return;
    case 'error 500':
      refuse(from, to, 500, 'InternalError');
      return;
    case 'slow down':
      refuse(from, to, 503, 'SlowDown');
      return;
  }
}

function forward(
  from: IncomingMessage,
  to: ServerResponse,
  server: string,
  answered: (answer: IncomingMessage) => void,
): void {
  // The signature covers the headers, the name of the host too: they go on as they are.
  const onward = request(`${server}${from.url}`, { method: from.method, headers: from.headers }, answered);
  onward.on('error', () => to.destroy());
  from.pipe(onward);
}

/** The server is given the first half of the body and then no more. */
function cutMidway(from: IncomingMessage, server: string): void {
  const onward = request(`${server}${from.url}`, { method: from.method, headers: from.headers });
  onward.on('error', () => undefined);
  const half = Math.floor(Number(from.headers['content-length'] ?? 0) / 2);
  let passed = 0;
  const cut = (): void => {
    onward.destroy();
    from.socket.destroy();
  };
  from.on('data', (chunk: Buffer) => {
    onward.write(chunk.subarray(0, half - passed));
    passed += chunk.length;
    // What was written must have left before the connection is closed.
    if (passed >= half) setTimeout(cut, 20);
  });
  if (half === 0) cut();
}

function refuse(from: IncomingMessage, to: ServerResponse, status: number, code: string): void {
  from.resume();
  from.on('end', () => {
    to.writeHead(status, { 'content-type': 'application/xml' });
    to.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>by order</Message></Error>`);
  });
}
