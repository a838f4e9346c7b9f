import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { onTestFinished } from 'vitest';

/** What a careless server looks at. */
export interface Care {
  /** `unknown`: it answers that it has no such thing. */
  readonly ifNoneMatch: boolean | 'unknown';
  readonly ifMatch: boolean;
  /** Whether it keeps what it is sent, or something else. */
  readonly content: boolean;
}

/** A server that takes PUT and GET as S3 does, but with less care, on loopback until the running test ends. */
export async function startCarelessS3(care: Care): Promise<{ readonly endpoint: string; readonly puts: () => number }> {
  const stored = new Map<string, { readonly content: Buffer; readonly etag: string }>();
  let puts = 0;
  const server = createServer(async (from, to) => {
    const path = (from.url ?? '').split('?')[0] ?? '';
    const chunks: Buffer[] = [];
    for await (const chunk of from) chunks.push(chunk);
    const found = stored.get(path);
    if (from.method === 'GET') {
      if (!found) to.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>');
      else to.writeHead(200, { etag: found.etag }).end(found.content);
      return;
    }
    puts += 1;
    const { 'if-none-match': none, 'if-match': match } = from.headers;
    if (none !== undefined && care.ifNoneMatch === 'unknown') {
      to.writeHead(501).end('<Error><Code>NotImplemented</Code></Error>');
      return;
    }
    const lost =
      (care.ifNoneMatch && none === '*' && found !== undefined) ||
      (care.ifMatch && match !== undefined && match !== found?.etag);
    if (lost) {
      to.writeHead(412).end('<Error><Code>PreconditionFailed</Code></Error>');
      return;
    }
    const sent = Buffer.concat(chunks);
    const content = care.content ? sent : Buffer.concat([sent, Buffer.from('!')]);
    const etag = `"${createHash('md5').update(content).digest('hex')}"`;
    stored.set(path, { content, etag });
    to.writeHead(200, { etag }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return { endpoint: `http://127.0.0.1:${port}`, puts: () => puts };
}
