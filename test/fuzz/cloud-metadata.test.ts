import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { NightlyError } from '../../src/base/errors.ts';
import { getObject, openBucket } from '../../src/targets/s3/s3-client.ts';
import { fuzzAsync, mutatedBytes, mutatedJson } from '../support/fuzz.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';

const home = sharedFolder();

/** What the metadata service of a cloud's machine gives: a token, the name of a role, and its credentials. */
interface Metadata {
  readonly token: Uint8Array;
  readonly role: Uint8Array;
  readonly credentials: Uint8Array;
}

const SECRET = 'SECRETsecretSECRETsecretSECRETsecret1234';
const CREDENTIALS = {
  ...{ Code: 'Success', LastUpdated: '2026-11-21T00:00:00Z', Type: 'AWS-HMAC', AccessKeyId: 'ASIAXXXXXXXXXXXXXXXX' },
  ...{ SecretAccessKey: SECRET, Token: 'session', Expiration: '2036-11-21T00:00:00Z' },
};
const GOOD: Metadata = {
  token: Buffer.from('token=='),
  role: Buffer.from('builder'),
  credentials: Buffer.from(JSON.stringify(CREDENTIALS)),
};

let metadata = GOOD;
let signed = '';
/** Metadata service and S3 in one: the bucket has nothing. */
const server = createServer((request, response) => {
  if (request.url?.startsWith('/bucket')) {
    signed = request.headers.authorization ?? '';
    response.writeHead(404, { 'content-type': 'application/xml' });
    response.end('<Error><Code>NoSuchKey</Code><Message>none</Message></Error>');
  } else if (request.method === 'PUT') response.end(metadata.token);
  else response.end(request.url?.endsWith('/security-credentials/') ? metadata.role : metadata.credentials);
});

beforeAll(async () => {
  await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
  vi.stubEnv('HOME', home);
  vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  for (const name of Object.keys(process.env)) {
    if (/^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|PROFILE|CONTAINER_.*)$/.test(name))
      vi.stubEnv(name, undefined);
  }
  // The SDK tells of credentials that it goes on with although they are over.
  vi.spyOn(console, 'warn').mockReturnValue(undefined);
});
afterAll(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  server.closeAllConnections();
  server.close();
});

const open = () =>
  openBucket({
    ...{ type: 's3', name: 'cloud', bucket: 'bucket', prefix: '', region: 'us-east-1', parallel: 4 },
    ...{ url: 'https://example.org/', endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
  });

it('whatever a cloud says of its machine, S3 is asked with it or is refused with the reason, and no secret is told', async () => {
  const task = testTask('/tmp');
  let bucket = await open();
  const text = (good: Uint8Array) => fc.oneof(fc.constant(good), mutatedBytes([good]));
  const inputs = fc.record({
    token: fc.oneof({ weight: 4, arbitrary: fc.constant(GOOD.token) }, text(GOOD.token)),
    role: fc.oneof({ weight: 4, arbitrary: fc.constant(GOOD.role) }, text(GOOD.role)),
    credentials: fc.oneof(
      mutatedBytes([GOOD.credentials]),
      mutatedJson([CREDENTIALS]).map((value) => Buffer.from(JSON.stringify(value) ?? '')),
    ),
  });
  let used = 0;
  await fuzzAsync(inputs, async (said) => {
    metadata = said;
    signed = '';
    try {
      await getObject(bucket, 'x', task);
    } catch (error) {
      if (error instanceof NightlyError) expect(`${error.message} ${error.hint}`).not.toContain(SECRET);
      throw error;
    } finally {
      // It keeps those that it took.
      if (signed !== '') {
        used += 1;
        bucket.client.destroy();
        bucket = await open();
      }
    }
  });
  expect(used).toBeGreaterThan(0);
  bucket.client.destroy();
});
