import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { sha256File } from '../../../src/base/files.ts';
import { fetchRpms, type WantedRpm } from '../../../src/rpm/pool/fetch-rpms.ts';
import { pooledDigests, poolPath, prunePool } from '../../../src/rpm/pool/pool-index.ts';
import { padded, readRpmStart } from '../../../src/rpm/signature/rpm-signature.ts';
import { type ManyRpm, manyRpms } from '../../support/many-rpms.ts';
import { MINI_EPOCH } from '../../support/mini-rpm.ts';
import { sharedFolder, temporaryFolder, testTask } from '../../support/tmp.ts';

let source: string;
let rpms: ManyRpm[];
let records: Omit<WantedRpm, 'url'>[];

beforeAll(async () => {
  source = sharedFolder();
  rpms = await manyRpms(source, 6);
  records = await Promise.all(
    rpms.map(async ({ name, file }) => {
      const { signatureSize } = await readRpmStart(file);
      const bytes = await readFile(file);
      const payloadHash = createHash('md5')
        .update(bytes.subarray(96 + padded(signatureSize)))
        .digest('hex');
      return { name: `${name}-1.0-1.noarch`, payloadHash, copy: 'unsigned', bytes: bytes.length };
    }),
  );
});

/** Serves the RPMs; `answers` change what is sent for some of them. */
async function serve(answers: Readonly<Record<number, (bytes: Buffer) => Buffer | number>> = {}) {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    asked.push(request.url ?? '');
    const index = Number(request.url?.slice(1));
    const bytes = await readFile(rpms[index]?.file ?? '');
    const answer = answers[index]?.(bytes) ?? bytes;
    response.writeHead(typeof answer === 'number' ? answer : 200).end(typeof answer === 'number' ? '' : answer);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const wanted = records.map((record, index) => ({ ...record, url: `http://127.0.0.1:${port}/${index}` }));
  return { wanted, asked };
}

it('brings each file once, by content, with the time of its build; what is there is not fetched again', async () => {
  const pool = join(temporaryFolder(), 'pool');
  const { wanted, asked } = await serve();
  const task = testTask(source);
  const { files, missing } = await fetchRpms([...wanted, ...wanted.slice(0, 2)], pool, task);
  expect(missing).toEqual([]);
  expect(files.map((one) => one?.sha256)).toEqual([...rpms, ...rpms.slice(0, 2)].map(({ sha256 }) => sha256));
  expect(asked.toSorted()).toEqual(['/0', '/1', '/2', '/3', '/4', '/5']);
  for (const one of files) {
    expect(await sha256File(one?.file ?? '')).toBe(one?.sha256);
    expect((await stat(one?.file ?? '')).mtimeMs).toBe(MINI_EPOCH * 1000);
  }
  expect((await fetchRpms(wanted, pool, task)).files).toEqual(files.slice(0, 6));
  // Also without what was remembered: then they are read again, and not fetched.
  await writeFile(join(pool, 'index.json'), '{"version":');
  expect((await fetchRpms(wanted, pool, task)).files).toEqual(files.slice(0, 6));
  expect(asked).toHaveLength(6);
});

it('I15: names what is missing or damaged at its source, and brings the others', async () => {
  const pool = join(temporaryFolder(), 'pool');
  const { wanted } = await serve({
    0: () => 404,
    1: (bytes) => bytes.subarray(0, bytes.length - 100),
    2: (bytes) => {
      bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
      return bytes;
    },
    3: (bytes) => Buffer.from('<html>Log in first</html>'.padEnd(bytes.length)),
  });
  const { files, missing } = await fetchRpms(wanted, pool, testTask(source));
  expect(files.map((one) => one !== undefined)).toEqual([false, false, false, false, true, true]);
  expect(missing.map(({ name }) => name)).toEqual(records.slice(0, 4).map(({ name }) => name));
  expect(missing.map(({ why }) => why)).toEqual([
    expect.stringContaining('HTTP 404 Not Found'),
    expect.stringContaining(`it has ${(records[1]?.bytes ?? 0) - 100} bytes, and ${records[1]?.bytes} are on record`),
    expect.stringMatching(/its payload hash is [0-9a-f]{32}, and [0-9a-f]{32} is on record/),
    expect.stringContaining('it is not an RPM package that can be read'),
  ]);
  const left = (await readdir(pool, { recursive: true })).filter((name) => /\.(rpm|part)/.test(name));
  expect(left).toHaveLength(2);
});

it('takes files of a mounted folder, and fetches again what was damaged in the pool', async () => {
  const pool = join(temporaryFolder(), 'pool');
  const task = testTask(source);
  const wanted = records.map((record, index) => ({ ...record, url: pathToFileURL(rpms[index]?.file ?? '').href }));
  const { files } = await fetchRpms(wanted, pool, task);
  const file = files[3]?.file ?? '';
  const bytes = await readFile(file);
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
  await writeFile(file, bytes);
  expect((await fetchRpms(wanted, pool, task)).files).toMatchObject(files.map((one) => ({ file: one?.file })));
  expect(await sha256File(file)).toBe(rpms[3]?.sha256);
});

it('remembers the digests of files that others put there, and removes what nobody has needed for a while', async () => {
  const pool = join(temporaryFolder(), 'pool');
  const task = testTask(source);
  const wanted = records.map((record, index) => ({ ...record, url: pathToFileURL(rpms[index]?.file ?? '').href }));
  const { files } = await fetchRpms(wanted, pool, task);
  const signed = poolPath(pool, { payloadHash: records[0]?.payloadHash ?? '', copy: '0123abcd' });
  await writeFile(signed, 'signed');
  expect(await pooledDigests(pool, [signed], task)).toEqual(new Map([[signed, await sha256File(signed)]]));
  await writeFile(signed, 'signed again');
  expect((await pooledDigests(pool, [signed], task)).get(signed)).toBe(await sha256File(signed));

  const needed = new Set(files.slice(0, 2).flatMap((one) => one?.file ?? []));
  const at = (now: number) => prunePool(pool, needed, { keepSeconds: 100, now });
  expect([await at(1000), await at(1099), await at(500), await at(600)]).toEqual([0, 0, 0, 5]);
  const left = (await readdir(pool, { recursive: true }))
    .filter((name) => name.endsWith('.rpm'))
    .map((name) => join(pool, name));
  expect(new Set(left)).toEqual(needed);
  await rm(join(pool, 'index.json'));
  expect(await at(9000)).toBe(0);
});

it('I12: what koji says becomes no path', () => {
  for (const payloadHash of ['../../etc', '', 'A'.repeat(32), '0'.repeat(31)]) {
    expect(() => poolPath('/pool', { payloadHash, copy: 'unsigned' })).toThrow('not a payload hash');
  }
  expect(() => poolPath('/pool', { payloadHash: '0'.repeat(32), copy: '../x' })).toThrow('not a key id');
});
