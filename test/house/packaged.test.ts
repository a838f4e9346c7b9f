import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { PROJECT, SHIPPED } from '../../src/base/shipped.ts';
import { run } from '../../src/programs/exec.ts';
import { LISTENER_USERS } from '../../src/run/listener-user.ts';
import { repositoryFiles, repositoryText } from '../support/repository.ts';

const manifest = z.object({ private: z.boolean(), files: z.array(z.string()) });
const packageJson = async () => manifest.parse(JSON.parse(await repositoryText('package.json')));

/** Commands that have npm fetch what its registry has under the program's name; with `--no-install` and the like as well. */
const FROM_REGISTRY =
  /\b(?:npx|npm exec|pnpm dlx|yarn dlx|bunx)\s+(?:-\S+\s+)*atomic-nightly\b|\bnpm (?:i|install|add)\s+(?:-\S+\s+)*atomic-nightly\b/;

test("nothing tells people to run or install the program by its name in npm's registry, where it is anybody's", async () => {
  const paths = [
    ...(await repositoryFiles([
      'docs',
      'src',
      'systemd',
      'jenkins',
      'examples',
      'packaging',
      'page-templates',
      'scripts',
    ])),
    ...['README.md', 'CONTRIBUTING.md', 'bin/atomic-nightly.js', 'man/atomic-nightly.1'],
  ].filter((path) => !path.endsWith('.png'));
  const lines = await Promise.all(
    paths.map(async (path) => (await repositoryText(path)).split('\n').map((line, at) => `${path}:${at + 1}: ${line}`)),
  );
  expect(lines.length).toBeGreaterThan(500);
  expect(lines.flat().filter((line) => FROM_REGISTRY.test(line))).toEqual([]);
  expect(await packageJson()).toMatchObject({ private: true });
});

test.each(['npx atomic-nightly init', 'run npx -y atomic-nightly', 'npm install -g atomic-nightly'])(
  'found: %s',
  (line) => expect(line).toMatch(FROM_REGISTRY),
);

test('a file to install is no name in the registry', () => {
  expect('npm install --global ./atomic-nightly-0.1.0.tgz').not.toMatch(FROM_REGISTRY);
});

test('whatever the program reads beside its code is in the package', async () => {
  const { files } = await packageJson();
  const sources = (await repositoryFiles(['src'])).filter((path) => path.endsWith('.ts'));
  const texts = await Promise.all(sources.map(repositoryText));
  const named = texts.flatMap((text) => [...text.matchAll(/join\(PROJECT, '([^'/]+)/g)].map(([, name = '']) => name));
  const read = new Set([...named, ...Object.values(SHIPPED).map((path) => path.slice(PROJECT.length).split('/')[0])]);
  // By these the program knows that it runs from a clone.
  for (const name of ['src', 'package-lock.json']) read.delete(name);
  expect([...read].sort()).toContain('lab-packages');
  expect([...read].filter((name) => !files.includes(name ?? ''))).toEqual([]);
});

test('systemd takes the user that the package has made, and it is the one that listens', async () => {
  const file = join(PROJECT, 'systemd/sysusers.d/atomic-nightly.conf');
  const { stdout, stderr } = await run('systemd-sysusers', ['--dry-run', '--root=/nowhere', file]);
  expect(stderr + stdout).toContain(`Creating user '${LISTENER_USERS[0]}'`);
});
