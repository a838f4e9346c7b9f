import { createServer, type ServerResponse } from 'node:http';
import { onTestFinished } from 'vitest';
import { cosign } from '../../src/log/cosignature.ts';
import { signatureLine } from '../../src/log/note.ts';
import type { NoteSigner } from '../../src/log/note-keys.ts';
import { type AddCheckpoint, parseAddCheckpoint } from '../../src/witness/add-checkpoint.ts';

/** What a scripted witness does with a request: answers, or whatever else it does with the connection. */
export type Script = (request: AddCheckpoint, response: ServerResponse) => void;

/** A witness that answers what a test says; its requests are kept. It ends with the test. */
export async function scriptedWitness(script: Script): Promise<{ url: string; requests: AddCheckpoint[] }> {
  const requests: AddCheckpoint[] = [];
  const server = createServer(async (incoming, response) => {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part);
    const request = parseAddCheckpoint(Buffer.concat(parts), { file: 'REQUEST' });
    requests.push(request);
    if (incoming.url === '/w/add-checkpoint' && incoming.method === 'POST') script(request, response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/w`, requests };
}

/** Signs whatever it is sent. */
export function cosignAll(witness: NoteSigner, time = () => Math.floor(Date.now() / 1000)): Script {
  return ({ checkpoint }, response) => {
    const text = checkpoint.slice(0, checkpoint.indexOf('\n\n') + 1);
    response.end(signatureLine(cosign(text, time(), witness)));
  };
}

/** Says how many entries it has cosigned. */
export const hasSize = (size: number | string, response: ServerResponse): void =>
  void response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end(`${size}\n`);
