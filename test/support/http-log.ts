import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface HttpLog {
  readonly url: string;
  readonly requests: LoggedRequest[];
  /** What it answers from now on: a status with a body, or nothing at all. */
  answer: (request: LoggedRequest) => { readonly status: number; readonly body?: string } | 'hang';
}

/** An HTTP server on loopback that keeps every request, until the running test ends. */
export async function startHttpLog(): Promise<HttpLog> {
  const requests: LoggedRequest[] = [];
  const log: { -readonly [Key in keyof HttpLog]: HttpLog[Key] } = {
    url: '',
    requests,
    answer: () => ({ status: 200, body: '{}' }),
  };
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (part: string) => {
      body += part;
    });
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      const logged = { method, path, headers, body };
      requests.push(logged);
      const answer = log.answer(logged);
      if (answer !== 'hang') response.writeHead(answer.status).end(answer.body ?? '');
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise<void>((done) => {
      server.close(() => done());
    });
  });
  log.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return log;
}
