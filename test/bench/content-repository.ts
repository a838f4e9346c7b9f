import { link, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { quietTask } from '../../src/base/task.ts';
import { run } from '../../src/programs/exec.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { publishRpms } from '../../src/publish/rpms/publish-rpms.ts';
import { publishablePaths } from '../../src/publish/rpms/publishable-paths.ts';
import { readPublishedNames } from '../../src/publish/rpms/published-names.ts';
import { packagePath } from '../../src/rpm/repository/layout.ts';
import { makeRepository } from '../../src/rpm/repository/make-repository.ts';
import type { PackageFile } from '../../src/rpm/repository/place-packages.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { repomdSigning } from '../../src/signing/repomd-signing.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import { manyRpms } from '../support/many-rpms.ts';
import { MINI_EPOCH } from '../support/mini-rpm.ts';
import { serveFolder } from '../support/nginx.ts';
import { makeKey } from '../support/signing-key.ts';
import { median } from '../support/statistics.ts';

/**
 * A repository of 10,000 packages to which 5 are added: how long making and signing it takes beside createrepo_c alone, which
 * takes over what it knows of the others, and how long publishing takes beyond that. In turns, on the same machine.
 * BENCH_RPMS=N takes another number of packages.
 */
const [RPMS, NEW, ROUNDS] = [Number(process.env['BENCH_RPMS'] ?? 10_000), 5, 3];

/** Measures and prints it. @param dir an empty folder */
export async function repositoryOfTenThousand(dir: string): Promise<void> {
  const task = quietTask(join(dir, 'log'));
  const rpms = await manyRpms(join(dir, 'pool'), RPMS + NEW * ROUNDS, { bytes: 500, files: 40 });
  const packages: PackageFile[] = rpms.map(({ name, file, sha256 }) => {
    return { path: packagePath({ name, version: '1.0', release: '1', arch: 'noarch' }), file, sha256 };
  });
  const key = await makeKey(dir);
  const signing = repomdSigning(openSigner(key), task);
  await mkdir(join(dir, 'far'));
  const { url, stop } = await serveFolder({ root: join(dir, 'far') });
  const target = openTarget({ type: 'directory', name: 'far', path: join(dir, 'far'), url });
  const [folder, alone] = [join(dir, 'repository'), join(dir, 'alone')];
  const place = { target, folder: 'sig', memory: join(dir, 'published.json') };
  const times: Record<'alone' | 'made' | 'published', number[]> = { alone: [], made: [], published: [] };
  const timed = async (what: keyof typeof times | undefined, work: () => Promise<unknown>) => {
    const begun = performance.now();
    await work();
    if (what) times[what].push((performance.now() - begun) / 1000);
  };
  try {
    for (let round = 0; round <= ROUNDS; round += 1) {
      const now = MINI_EPOCH + round;
      const list = packages.slice(0, RPMS + round * NEW);
      const what = round === 0 ? undefined : ('made' as const);
      await linkAll(list, alone);
      await writeFile(join(dir, 'list'), list.map(({ path }) => `${path}\n`).join(''));
      const options = ['--quiet', '--update', '--no-database', '--workers', '2', '--pkglist', join(dir, 'list'), alone];
      await timed(what && 'alone', () => run('createrepo_c', options));
      await timed(what, async () => {
        const named = publishablePaths(list, [await readPublishedNames(place, now, task)]);
        const about = { folder, memory: join(dir, 'repository.json'), keepSeconds: 86_400, revision: now, now };
        await makeRepository({ ...about, packages: named, signing }, task);
      });
      await timed(what && 'published', async () => {
        const request = { repository: folder, folder: 'sig', dir: join(dir, 'scratch'), log: NO_LOG };
        await publishRpms({ ...request, memory: { file: place.memory, now } }, target, task);
      });
    }
  } finally {
    await stop();
    await run('gpgconf', ['--homedir', key.home, '--kill', 'all'], { okExitCodes: [0, 1] });
  }
  const [createrepo, made, published] = [median(times.alone), median(times.made), median(times.published)];
  console.log(`${RPMS} packages, ${NEW} new, ${ROUNDS} rounds, medians`);
  console.log(`createrepo_c alone ${createrepo.toFixed(2)} s; made, compared and signed ${made.toFixed(2)} s`);
  console.log(`${(made / createrepo).toFixed(2)} times createrepo_c (target: at most 1.3)`);
  console.log(`published in ${published.toFixed(2)} s (target, with all beyond createrepo_c: under 1.5)`);
}

/** Hard links, as those that are measured have them. */
async function linkAll(packages: readonly PackageFile[], folder: string): Promise<void> {
  for (const { path, file } of packages) {
    const to = join(folder, path);
    await mkdir(dirname(to), { recursive: true });
    await link(file, to).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    });
  }
}
