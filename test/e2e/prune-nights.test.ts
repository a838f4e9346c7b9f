import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { pruneRepo } from '../../src/publish/prune/prune-repo.ts';
import { makeClient, TEST_REF, testTree } from '../support/ostree-repo.ts';
import { nightId, noon, pruneBed, retention } from '../support/prune-bed.ts';

const NIGHTS = 30;
const DEPTH = 7;
const PROMOTED = [4, 11];

/** About 10 kB that do not compress, the same for the same words. */
function noise(words: string): string {
  let seed = [...words].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7);
  return Array.from({ length: 1500 }, () => {
    seed = (seed * 1_103_515_245 + 12_345) >>> 0;
    return seed.toString(36);
  }).join('');
}

it('30 nights with retention: sizes level off, nothing promoted is lost, fsck is clean', async () => {
  const bed = await pruneBed();
  const far = join(bed.far, 'repo');
  const policy = retention({ depth: DEPTH });
  /** Bytes in files; folders, of which a young repository gets some more each night, are left out. */
  const size = async (folder: string): Promise<number> => {
    const { stdout } = await run('find', [folder, '-type', 'f', '-printf', '%s\n']);
    return stdout
      .trim()
      .split('\n')
      .reduce((sum, bytes) => sum + Number(bytes), 0);
  };
  const commits: string[] = [];
  const sizes: number[] = [];
  const table = ['night  commits  gave up  removed   repo kB  unpruned kB  local kB'];
  let unpruned = 0;
  const tree: Record<string, string> = { ...testTree(150) };
  for (let night = 0; night < NIGHTS; night += 1) {
    for (let file = 0; file < 5; file += 1) tree[`usr/d${file}/e0/big`] = noise(`${night} ${file}`);
    const before = night === 0 ? 0 : await size(far);
    const parent = commits.at(-1);
    const commit = await bed.night(night, tree, parent);
    commits.push(commit);
    if (parent !== undefined) {
      await run('ostree', [`--repo=${far}`, 'static-delta', 'generate', `--from=${parent}`, `--to=${commit}`]);
    }
    if (PROMOTED.includes(night)) {
      const promoted = PROMOTED.filter((of) => of <= night).map((of) => [commits[of], { build: nightId(of) }]);
      await bed.writeFar('builds/promoted.json', { commits: Object.fromEntries(promoted) });
    }
    const first = await size(far);
    unpruned += first - before;
    const { plan } = await bed.prune(policy, noon(night) + 3600);
    const { goes, waits } = plan.decision;
    await pruneRepo(
      { repo: bed.repo, wanted: new Set([...plan.decision.stays.keys(), ...waits.keys()]), dryRun: false },
      bed.task,
    );
    sizes.push(await size(far));
    const kB = (bytes: number): string => (bytes / 1000).toFixed(1);
    const local = await size(bed.repo);
    const there = commits.filter((one) => existsSync(join(far, `objects/${one.slice(0, 2)}/${one.slice(2)}.commit`)));
    const columns = [night + 1, there.length, waits.size, goes.size, kB(sizes.at(-1) ?? 0), kB(unpruned), kB(local)];
    table.push(columns.map((value, index) => String(value).padStart([5, 8, 8, 8, 9, 12, 9][index] ?? 0)).join(' '));
  }
  console.log(table.join('\n'));

  // From the time on when both promoted nights are out of the depth, a night adds what another one frees.
  const level = sizes.slice(PROMOTED.at(-1) ?? 0).slice(DEPTH + 4);
  expect(level.length).toBeGreaterThan(5);
  expect(Math.max(...level) - Math.min(...level)).toBeLessThan(0.05 * Math.max(...level));
  expect(Math.max(...level)).toBeLessThan(0.6 * unpruned);
  await bed.fsck();
  await run('ostree', [`--repo=${bed.repo}`, 'fsck', '--quiet']);
  for (const [index, commit] of commits.entries()) {
    const stays = index >= NIGHTS - DEPTH - 2 || PROMOTED.includes(index);
    expect(existsSync(join(far, `objects/${commit.slice(0, 2)}/${commit.slice(2)}.commit`))).toBe(stays);
  }
  for (const what of [...PROMOTED.map((night) => commits[night] ?? ''), TEST_REF]) {
    const client = await makeClient(join(bed.dir, `client-${what.slice(0, 4)}`), `${bed.url}/repo`);
    await run('ostree', [`--repo=${client}`, 'pull', '--depth=-1', 'origin', what]);
    await run('ostree', [`--repo=${client}`, 'fsck', '--quiet']);
  }
  const { stdout } = await run('ostree', [`--repo=${far}`, 'static-delta', 'list']);
  const staying = commits.filter((_, index) => index > 0 && (index >= NIGHTS - DEPTH - 2 || PROMOTED.includes(index)));
  expect(stdout.trim().split('\n').sort()).toEqual(
    staying.map((commit) => `${commits[commits.indexOf(commit) - 1]}-${commit}`).sort(),
  );
}, 240_000);
