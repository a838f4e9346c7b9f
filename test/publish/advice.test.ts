import { rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { seedFrom } from '../../src/ostree/seed-repo.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { moveRef } from '../../src/publish/move-ref.ts';
import { planPublish } from '../../src/publish/publish-plan.ts';
import type { Check } from '../../src/publish/verify/verify-report.ts';
import { type InspectStream, inspectTarget } from '../../src/publish/verify/verify-target.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import { makeRepo, TEST_REF, testTree } from '../support/ostree-repo.ts';
import { noon, pruneBed, retention } from '../support/prune-bed.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const PAGE = '<!DOCTYPE html>\n<html><title>Sign in</title><body>Please sign in to go on.</body></html>\n';

const dead = async (): Promise<string> => `http://127.0.0.1:${await freePort()}`;

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const STREAM: InspectStream = {
  name: 'stable',
  ref: TEST_REF,
  vagrantBox: 'mini-stable',
  use: { tree: true, builds: true, releases: true },
  trust: { gpgKeys: [], signedSummary: false },
};

async function verify(url: string, stream: InspectStream) {
  const dir = temporaryFolder();
  const checks: Check[] = [];
  const request = { url, streams: [stream], imageContent: false, scratchDir: join(dir, 'scratch') };
  const ok = await inspectTarget(request, (check) => checks.push(check), testTask(dir));
  return { ok, checks, hints: checks.flatMap((check) => (check.ok ? [] : [check.hint])) };
}

it('I8: a prune that cannot read over the public URL names the target and its address, and removes nothing', async () => {
  const url = await dead();
  const bed = await pruneBed(async (_, far) => openTarget({ type: 'directory', name: 'dir', path: far, url }));
  const first = await bed.night(0, testTree(5));
  await bed.night(1, testTree(5, 5, 'next'), first);
  // What another machine published is not in the repository here.
  await rm(join(bed.repo, 'objects'), { recursive: true });
  const prune = (day: number) => bed.prune(retention({ depth: 1 }), noon(day));
  await prune(2);
  const before = await bed.picture();
  await expect(prune(9)).rejects.toMatchObject({
    code: 'target-unreachable',
    message: expect.stringMatching(
      /^What target "dir" has cannot be read at http:\/\/127\.0\.0\.1:\d+\/repo\/objects\/.*ECONNREFUSED/,
    ),
    hint: expect.stringContaining('targets.dir.url'),
  });
  const objects = (picture: string) => picture.split('\n').filter((line) => !line.endsWith('./prune.json'));
  expect(objects(await bed.picture())).toEqual(objects(before));
}, 60_000);

it.each<[string, RequestListener | undefined]>([
  ['nobody listens', undefined],
  ['a server is out of order', (_, response) => response.writeHead(503).end()],
  ['a proxy wants a password', (_, response) => response.writeHead(407).end()],
  ['access is refused', (_, response) => response.writeHead(403, { 'content-type': 'text/html' }).end(PAGE)],
  [
    'a login page comes for everything',
    (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE),
  ],
  [
    'a redirection leads to a login page',
    (request, response) =>
      request.url === '/login' ? response.end(PAGE) : response.writeHead(302, { location: '/login' }).end(),
  ],
])(
  'where %s, verify says that nothing is known, and advises no repair',
  async (how, listener) => {
    const url = listener ? await serve(listener) : await dead();
    // Passing faults are tried again, which takes seconds: once is enough.
    const isQuick = /page|refused/.test(how);
    for (const stream of [STREAM, ...(isQuick ? [{ ...STREAM, unpublished: true }] : [])]) {
      const { ok, hints } = await verify(url, stream);
      expect(ok).toBe(false);
      expect(hints.length).toBeGreaterThan(0);
      for (const hint of hints) {
        expect(hint).not.toContain('reconcile');
        expect(hint).toContain('Check the url of the target');
      }
    }
  },
  60_000,
);

it('what is lost on a server that answers is still advised to be put back', async () => {
  const { ok, hints } = await verify(await serve((_, response) => response.writeHead(404).end()), STREAM);
  expect(ok).toBe(false);
  expect(hints.join('\n')).toContain('publish --reconcile');
});

it('a target of nightly builds before the first has nothing yet; one at an address where nothing of it is says that', async () => {
  const url = await serve((_, response) => response.writeHead(404).end());
  const nightly = { ...STREAM, name: 'nightly', use: { ...STREAM.use, releases: false } };
  expect(await verify(url, { ...nightly, unpublished: true })).toMatchObject({
    ok: true,
    checks: [{ ok: true, what: 'target', detail: 'nothing published yet of nightly' }],
  });
  const { checks } = await verify(url, nightly);
  expect(checks).toEqual([
    {
      ...{ ok: false, what: 'target', why: `nothing of the target is at ${url}` },
      hint: expect.stringMatching(
        /^Check that the url of the target is where the folder that it publishes to is served/,
      ),
    },
  ]);
});

it('a mirror of releases before the first release has nothing yet, and that is no fault', async () => {
  const url = await serve((_, response) => response.writeHead(404).end());
  const { ok, checks } = await verify(url, { ...STREAM, unpublished: true });
  expect(ok).toBe(true);
  expect(checks).toEqual([{ ok: true, what: 'target', detail: 'nothing released yet of stable' }]);
  // Something is there: then all of it is looked at.
  const half = await serve((request, response) =>
    request.url === '/repo/config' ? response.end('[core]\n') : response.writeHead(404).end(),
  );
  expect((await verify(half, { ...STREAM, unpublished: true })).ok).toBe(false);
});

it('an empty ref file is named with its place, of a seed and of a target alike', async () => {
  const bed = await pruneBed();
  const commit = await bed.night(0, testTree(5));
  await bed.writeFar(`repo/refs/heads/${TEST_REF}`, '');
  const repo = await makeRepo(temporaryFolder());
  const url = `file://${bed.far}/repo`;
  const seed = () => seedFrom({ url, ref: TEST_REF, repo, gpgKeys: [] }, bed.task);
  const place = `refs/heads/${TEST_REF}`;
  await expect(seed()).rejects.toMatchObject({
    code: 'seed',
    message: `${url}/${place} is empty: that repository has lost what its ref named.`,
    hint: expect.stringContaining('put back'),
  });
  const { repo: near, target, task } = bed;
  const empty = {
    code: 'unsupported',
    message: `repo/${place} on target "dir" is empty.`,
    hint: expect.stringContaining('publish --reconcile'),
  };
  await expect(planPublish({ repo: near, ref: TEST_REF, commit, target }, task)).rejects.toMatchObject(empty);
  await expect(moveRef({ log: NO_LOG, repo: near, ref: TEST_REF, commit, target }, task)).rejects.toMatchObject(empty);
  await writeFile(join(bed.far, 'repo', place), PAGE);
  await expect(seed()).rejects.toMatchObject({
    code: 'seed',
    message: expect.stringContaining('does not hold a commit'),
  });
  await expect(moveRef({ log: NO_LOG, repo: near, ref: TEST_REF, commit, target }, task)).rejects.toMatchObject({
    message: expect.stringContaining('does not hold a commit'),
  });
});

it('a seed whose server gives no answer is named as the seed', async () => {
  const repo = await makeRepo(temporaryFolder());
  const url = await serve((_, response) => response.writeHead(403).end());
  await expect(seedFrom({ url, ref: TEST_REF, repo, gpgKeys: [] }, testTask(temporaryFolder()))).rejects.toMatchObject({
    code: 'seed',
    message: expect.stringContaining('403'),
    hint: expect.stringContaining('seed.url'),
  });
});
