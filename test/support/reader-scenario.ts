import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { sha256, writeJson } from '../../src/base/files.ts';
import type { SigningConfig } from '../../src/config/config.ts';
import { generateDelta, indexDeltas } from '../../src/programs/ostree.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { sign } from '../../src/steps/deliver/sign.ts';
import { commitTestTree, makeRepo, TEST_REF, TEST_TIME, testTree } from './ostree-repo.ts';
import type { PublisherRequest } from './reader-publisher.ts';
import { testTask } from './tmp.ts';

/** A build that waits to be published. */
export interface WaitingBuild {
  readonly id: string;
  readonly commit: string;
  readonly parent?: string;
  readonly image: string;
}

/** Bytes of an image: a read takes long enough to be in the middle of something. */
const IMAGE_BYTES = 300_000;

/**
 * Signed commits in a work folder, unpublished; each follows the one before, has deltas from it and from scratch, a
 * record and an image.
 */
export async function waitingBuilds(work: string, signing: SigningConfig, count: number): Promise<WaitingBuild[]> {
  await mkdir(work, { recursive: true });
  const repo = await makeRepo(work);
  const [signer, task] = [openSigner(signing), testTask(work)];
  const builds: WaitingBuild[] = [];
  for (let night = 0; night < count; night += 1) {
    const id = `20260101_${String(night + 1).padStart(2, '0')}`;
    const parent = builds.at(-1)?.commit;
    const tree: Record<string, string> = { ...testTree(150), 'usr/large': randomBytes(60_000).toString('hex') };
    for (let file = 0; file < 20; file += 1) tree[`usr/d1/night/${file}`] = `night ${night}, file ${file}`;
    const fields = { repo, tree, version: id, timestamp: TEST_TIME + night };
    const follows = parent === undefined ? {} : { parent };
    const commit = await commitTestTree({ ...fields, ...follows });
    await sign(repo, commit, signer, task);
    const starts = parent === undefined ? [{}] : [{}, { from: parent }];
    await Promise.all(starts.map((start) => generateDelta({ repo, ...start, to: commit }, task)));
    await indexDeltas(repo, commit, task);
    const [content, image] = [randomBytes(IMAGE_BYTES), `images/disk-${id}.qcow2`];
    await mkdir(join(work, `builds/${id}/x86_64/images`), { recursive: true });
    await writeFile(join(work, `builds/${id}/x86_64`, image), content);
    const images = { disk: { path: image, sha256: sha256(content), size: content.length } };
    await writeJson(join(work, `builds/${id}/x86_64/meta.json`), { buildid: id, 'ostree-commit': commit, images });
    builds.push({ id, commit, image, ...follows });
  }
  return builds;
}

const script = new URL('./reader-publisher.ts', import.meta.url).pathname;
const loader = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href;

/** How a publisher's process ended: done, killed, or the code of its error. */
export type PublishEnd = 'done' | 'killed' | (string & {});

/** Publishes a build in a process of its own, killed that many milliseconds after it began. */
export function publishInProcess(
  place: Pick<PublisherRequest, 'work' | 'target' | 'signing' | 'notes'>,
  build: WaitingBuild,
  killAfter = Number.POSITIVE_INFINITY,
): Promise<PublishEnd> {
  const request: PublisherRequest = { ...place, ...build, ref: TEST_REF };
  const child = spawn(process.execPath, ['--import', loader, script, JSON.stringify(request)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.once('data', () => {
    if (Number.isFinite(killAfter)) setTimeout(() => child.kill('SIGKILL'), killAfter);
  });
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  return new Promise((settle) =>
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL') settle('killed');
      else settle(code === 0 ? 'done' : (output.trim().split('\n').at(-1) ?? ''));
    }),
  );
}

/** How often a publisher did what, by the scenario's words. */
export type Counts = Record<string, number>;

/**
 * Publishes builds one after the other until the time is up, and until two are published and what is to happen, if
 * anything, has happened twice; `publish` says how one is published.
 */
export async function publishUntil(
  end: number,
  builds: readonly WaitingBuild[],
  publish: (build: WaitingBuild, count: (what: string) => void) => Promise<void>,
  toHappen = 'published',
): Promise<Counts> {
  const counts: Counts = { published: 0 };
  for (const build of builds) {
    if (Date.now() > end && Math.min(counts['published'] ?? 0, counts[toHappen] ?? 0) >= 2) break;
    await publish(build, (what) => {
      counts[what] = (counts[what] ?? 0) + 1;
    });
    counts['published'] = (counts['published'] ?? 0) + 1;
  }
  while (Date.now() < end) await pause(100);
  return counts;
}

/** Fills a file system until as many bytes are left. @returns what frees it again. */
export async function fillDisk(folder: string, leave: number): Promise<() => Promise<void>> {
  const ballast = join(folder, '.ballast');
  const { bavail, bsize } = await statfs(folder);
  await writeFile(ballast, Buffer.alloc(Math.max(0, bavail * bsize - leave)));
  return () => rm(ballast, { force: true });
}
