import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { envelopeLine, parseEnvelope, STATEMENT_TYPE, signedBytes } from '../../src/attest/dsse.ts';
import { logInRekor, type RekorLog } from '../../src/attest/rekor-client.ts';
import { bundleText } from '../../src/attest/sigstore-bundle.ts';
import { statementBytes } from '../../src/attest/statement.ts';
import { sha256 } from '../../src/base/files.ts';
import { freePort } from '../../src/base/free-port.ts';
import { formatVkey, noteKey } from '../../src/log/note-keys.ts';
import { type RunningProcess, run, start } from '../../src/programs/exec.ts';
import { cosignCommands, cosignSays, trustedRoot } from '../support/cosign.ts';
import { describeIf, whyNo } from '../support/oracles.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';
import { until } from '../support/until.ts';

/**
 * The real Rekor, version 2. It takes some ten minutes to build out of 600 packages, so it is made by hand (docs/attestations.md) and
 * named by REKOR_SERVER.
 */
const SERVER = process.env['REKOR_SERVER'];
const why = SERVER === undefined ? 'REKOR_SERVER names no rekor-server' : whyNo('cosign');

describeIf(why, 'Rekor itself', () => {
  const dir = sharedFolder();
  const task = testTask(dir);
  let server: RunningProcess;
  let log: RekorLog;
  const front = createServer();

  beforeAll(async () => {
    await run('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', join(dir, 'key.pem')]);
    const key = await run('openssl', [
      'pkey',
      '-in',
      join(dir, 'key.pem'),
      '-pubout',
      '-outform',
      'DER',
      '-out',
      join(dir, 'key.der'),
    ]);
    expect(key.exitCode).toBe(0);
    const publicKey = (await readFile(join(dir, 'key.der'))).subarray(-32);
    const [http, grpc, metrics] = [await freePort(), await freePort(), await freePort()];
    const ports = ['--http-port', http, '--grpc-port', grpc, '--http-metrics-port', metrics].map(String);
    const storage = join(dir, 'storage');
    const more = ['--hostname', 'rekor.example.org', '--persistent-antispam', '--checkpoint-interval', '1s'];
    const files = ['--signer-filepath', join(dir, 'key.pem'), '--storage-dir', storage];
    await run('mkdir', [storage]);
    server = await start(SERVER ?? '', ['serve', ...ports, ...files, ...more]);
    // It only takes entries; whoever runs it has a web server in front that serves its folder.
    front.on('request', async (incoming, response) => {
      const path = (incoming.url ?? '').replace('/api/v2/', '');
      const body: Buffer[] = [];
      for await (const part of incoming) body.push(part);
      if (incoming.method === 'GET') {
        const content = await readFile(join(storage, path)).catch(() => undefined);
        return void response.writeHead(content === undefined ? 404 : 200).end(content);
      }
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`http://127.0.0.1:${http}${incoming.url}`, {
        method: 'POST',
        headers,
        body: Buffer.concat(body),
      });
      response.writeHead(answer.status).end(await answer.text());
    });
    await new Promise<void>((done) => front.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
    log = { url, key: noteKey('rekor.example.org', 'ed25519', publicKey) };
    await until(async () => (await fetch(`${url}/api/v2/checkpoint`)).ok);
  });
  afterAll(async () => {
    front.closeAllConnections();
    front.close();
    await server.stop();
  });

  it('takes a statement, says of it a second time where it is, and cosign accepts the bundle of either answer', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeFile(join(dir, 'lockfile.json'), '{}');
    await writeFile(join(dir, 'statements.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
    await writeFile(join(dir, 'rekor-root.json'), trustedRoot(formatVkey(log.key)));
    const { bundle } = await cosignCommands();
    for (let round = 0; round < 3; round += 1) {
      const subject = [{ name: 'lockfile.json', digest: { sha256: sha256('{}') } }];
      const payload = statementBytes(subject, 'https://slsa.dev/provenance/v1', { round });
      const bytes = signedBytes(STATEMENT_TYPE, payload);
      const line = envelopeLine(payload, sign('sha256', bytes, privateKey));
      const envelope = parseEnvelope(Buffer.from(line), 'statement');
      const [signature = Buffer.alloc(0)] = envelope.signatures;
      const digest = createHash('sha256').update(bytes).digest();
      const wanted = { digest, signature, publicKey: publicKey.export({ type: 'spki', format: 'der' }) };
      const first = await logInRekor(wanted, log, task);
      const again = await logInRekor(wanted, log, task);
      expect(again).toEqual({ ...first, inclusionProof: again.inclusionProof });
      expect(first.logIndex).toBe(String(round));
      for (const entry of [first, again]) {
        await writeFile(join(dir, 'provenance.sigstore.json'), bundleText(envelope, publicKey, entry));
        expect(await cosignSays(dir, bundle)).toBe('Verified OK');
      }
      const text = bundleText(envelope, publicKey, first).replace(`"logIndex":"${round}"`, '"logIndex":"7"');
      await writeFile(join(dir, 'provenance.sigstore.json'), text);
      expect(await cosignSays(dir, bundle)).toMatch(/^refused: /);
    }
  });
});
