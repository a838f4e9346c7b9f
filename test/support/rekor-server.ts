import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { signCheckpoint } from '../../src/log/checkpoint.ts';
import { type GrownTree, grow, NO_TREE } from '../../src/log/grow.ts';
import { proveInclusion } from '../../src/log/inclusion.ts';
import { formatVkey, noteSigner } from '../../src/log/note-keys.ts';
import { openTileTree } from '../../src/log/tile-tree.ts';
import { run } from '../../src/programs/exec.ts';

const KEY = noteSigner('rekor.example.org', 'ed25519', Buffer.alloc(32, 11));

const strict = z.strictObject;
const request = strict({
  hashedRekordRequestV002: strict({
    digest: z.base64(),
    signature: strict({
      content: z.base64(),
      verifier: strict({
        publicKey: strict({ rawBytes: z.base64() }),
        keyDetails: z.literal('PKIX_ECDSA_P256_SHA_256'),
      }),
    }),
  }),
});

/** Stands for a Rekor log, version 2: takes what openssl verifies, once, and serves its tiles. */
export interface RekorServer {
  readonly url: string;
  readonly vkey: string;
  readonly entries: readonly Buffer[];
  /** What it does with the next requests: answers; fails; takes an entry and cuts the connection, as when the client is killed. */
  mode: 'up' | 'down' | 'cut';
  /** What is done to its answers. */
  forge: (answer: string) => string;
  stop(): Promise<void>;
}

/** Starts one, with entries of others in it. @param dir for what openssl is to read */
export async function startRekor(dir: string, others = 3): Promise<RekorServer> {
  mkdirSync(dir, { recursive: true });
  const entries: Buffer[] = Array.from({ length: others }, (_, at) => Buffer.from(`{"other":${at}}`));
  let grown: GrownTree = { ...grow(NO_TREE, entries) };
  const files = new Map<string, Uint8Array>(grown.files.map(({ path, content }) => [path, content]));
  const checkpoint = () => signCheckpoint({ origin: KEY.name, size: grown.size, root: grown.root }, KEY);
  const add = (body: Buffer): void => {
    entries.push(body);
    grown = grow(NO_TREE, entries);
    for (const { path, content } of grown.files) files.set(path, content);
  };
  const answerFor = async (index: number): Promise<string> => {
    const tree = await openTileTree(async (path) => files.get(path), grown, 'rekor');
    const hashes = await proveInclusion(tree.nodeOf, index, grown.size);
    const id = createHash('sha256').update(`${KEY.name}\n`).update(Buffer.of(1)).update(KEY.publicKey).digest('base64');
    return JSON.stringify({
      logIndex: String(index),
      logId: { keyId: id },
      kindVersion: { kind: 'hashedrekord', version: '0.0.2' },
      integratedTime: '0',
      inclusionPromise: null,
      inclusionProof: {
        ...{ logIndex: String(index), rootHash: grown.root.toString('base64'), treeSize: String(grown.size) },
        hashes: hashes.map((hash) => hash.toString('base64')),
        checkpoint: { envelope: checkpoint() },
      },
      canonicalizedBody: (entries[index] ?? Buffer.alloc(0)).toString('base64'),
    });
  };
  const isSigned = async (digest: string, content: string, key: string): Promise<boolean> => {
    const parts = { digest, content, key };
    for (const [name, text] of Object.entries(parts)) writeFileSync(join(dir, name), Buffer.from(text, 'base64'));
    const args = [
      'pkeyutl',
      '-verify',
      '-pubin',
      '-keyform',
      'DER',
      '-inkey',
      'key',
      '-in',
      'digest',
      '-sigfile',
      'content',
    ];
    return (await run('openssl', args, { cwd: dir, okExitCodes: [0, 1] })).exitCode === 0;
  };
  const take = async (text: string, response: ServerResponse): Promise<void> => {
    const { success, data } = request.safeParse(JSON.parse(text));
    if (!success) return void response.writeHead(400).end('{"code":3,"message":"invalid request"}');
    const { digest, signature } = data.hashedRekordRequestV002;
    const { content, verifier } = signature;
    if (!(await isSigned(digest, content, verifier.publicKey.rawBytes)))
      return void response.writeHead(400).end('{"code":3,"message":"invalid signature"}');
    const hashedRekordV002 = {
      data: { algorithm: 'SHA2_256', digest },
      signature: { content, verifier: { keyDetails: verifier.keyDetails, publicKey: verifier.publicKey } },
    };
    const body = Buffer.from(JSON.stringify({ apiVersion: '0.0.2', kind: 'hashedrekord', spec: { hashedRekordV002 } }));
    const there = entries.findIndex((one) => one.equals(body));
    if (there >= 0) {
      const message = `an equivalent entry already exists in the transparency log with index ${there}`;
      return void response.writeHead(409).end(JSON.stringify({ code: 6, message, details: [] }));
    }
    add(body);
    if (server.mode === 'cut') {
      server.mode = 'up';
      return void response.destroy();
    }
    response.writeHead(201).end(server.forge(await answerFor(entries.length - 1)));
  };
  const http = createServer((incoming, response) => {
    if (server.mode === 'down') return void response.writeHead(503).end();
    const path = incoming.url ?? '';
    if (incoming.method === 'POST' && path === '/api/v2/log/entries') {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('end', () => void take(Buffer.concat(parts).toString(), response));
      return;
    }
    const name = path.replace(/^\/api\/v2\//, '');
    const content = name === 'checkpoint' ? checkpoint() : files.get(name);
    response.writeHead(content === undefined ? 404 : 200).end(content);
  });
  await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));
  const server: RekorServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    ...{ vkey: formatVkey(KEY), entries, mode: 'up', forge: (answer) => answer },
    stop: () =>
      new Promise((done) => {
        http.closeAllConnections();
        http.close(() => done());
      }),
  };
  return server;
}
