import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../../src/programs/exec.ts';
import { BASE_RECIPES } from '../../support/mini-recipes.ts';
import { buildMiniRpm, nevraOf } from '../../support/mini-rpm.ts';
import { bench, night } from './support.ts';

const PATH = '/usr/share/atomic-nightly/provenance.json';
const provenance = { treefile: { digest: 'd'.repeat(64), files: [] }, signatures: false };

test.each(['2018.7', '2026.2'])('%s: the tree says what it is made of, by its own rpm database', async (version) => {
  const recipes = BASE_RECIPES.filter(({ name }) => ['app', 'filesystem'].includes(name));
  const packages = Object.fromEntries(recipes.map((one) => [one.name, nevraOf(one).slice(one.name.length + 1)]));
  const here = await bench({ version, packages });
  const rpmdb = join(here.folder, 'rpmdb');
  await mkdir(rpmdb);
  const files = await Promise.all(recipes.map((one) => buildMiniRpm(one)));
  const options = ['--justdb', '--nodeps', '--nosignature', '--root', '/'];
  await run('rpm', ['--dbpath', rpmdb, '--install', ...options, ...files]);
  here.setState({ version, packages, rpmdb });
  const engine = await here.engine();
  const without = await night(here, engine, '20261121_01');
  const { composed } = await night(here, engine, '20261121_01', undefined, { provenance });
  const ostree = async (...args: string[]) => (await run('ostree', [`--repo=${here.repo}`, ...args])).stdout;
  const { packages: found, treefile } = JSON.parse(await ostree('cat', composed.commit, PATH));
  expect(treefile).toEqual(provenance.treefile);
  expect(found.map(({ nevra }: { nevra: string }) => nevra)).toEqual(recipes.map(nevraOf).sort());
  expect(found[0]).toMatchObject({
    header: expect.stringMatching(/^sha256:/),
    source: expect.stringMatching(/\.src\.rpm$/),
    licence: 'MIT',
    repository: 'lab',
  });
  expect(Object.values(composed.signatures ?? {})[0]).toMatchObject({ key: null });

  // Only that file came in, with owner and mode of the treefile that rpm-ostree writes.
  const diff = (await ostree('diff', without.composed.commit, composed.commit)).trimEnd().split('\n');
  expect(diff).toEqual(['A    /usr/share/atomic-nightly', `A    ${PATH}`]);
  expect(await ostree('ls', composed.commit, PATH)).toMatch(/^-00644 0 0 /);
  expect(await ostree('show', composed.commit)).toContain(`ContentChecksum:  ${composed.contentChecksum}`);
  expect(composed.contentChecksum).not.toBe(without.composed.contentChecksum);
  await ostree('fsck', '--quiet');

  // What a package has there is replaced; below what is not a folder, nothing is put.
  here.setState({ version, packages, rpmdb, files: { [PATH]: 'somebody wrote this\n' } });
  const replaced = await night(here, engine, '20261121_01', undefined, { provenance });
  expect(replaced.composed.contentChecksum).toBe(composed.contentChecksum);
  expect(here.task.lines.join('\n')).toContain(`${PATH} of the packages or the treefile is replaced`);
  here.setState({ version, packages, rpmdb, files: { '/usr/share/atomic-nightly': 'a file\n' } });
  await expect(night(here, engine, '20261121_01', undefined, { provenance })).rejects.toMatchObject({
    code: 'compose',
    message: '/usr/share/atomic-nightly of the tree is not a folder, and what the tree is made of goes there.',
  });
});
