import { existsSync } from 'node:fs';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { exampleProject } from './example-project.ts';
import { pulled, runCli } from './world.ts';

interface Bst {
  /** What the project's configuration must be for that version. */
  readonly changeProject: (text: string) => string;
  /** Puts the program in place, in the folder that all of the story is in; returns what its environment has besides a home. */
  readonly install?: (dir: string) => Promise<Record<string, string>>;
}

const byName = (one: { name: string }, other: { name: string }) => (one.name < other.name ? -1 : 1);

/** The example of BuildStream: elements with their sources, unchanged without a build, one element changed, pulled. */
export async function buildStreamStory({ changeProject, install }: Bst): Promise<void> {
  const { dir, project, server } = await exampleProject('buildstream');
  const env = await install?.(dir);
  // An element from git beside those that import folders, so that a commit is there to be named.
  const upstream = join(dir, 'upstream');
  const git = (...args: string[]) =>
    run('git', ['-C', upstream, '-c', 'user.name=x', '-c', 'user.email=x@example.org', ...args]);
  await mkdir(join(upstream, 'usr/share'), { recursive: true });
  await writeFile(join(upstream, 'usr/share/tool'), 'one\n');
  await git('init', '--quiet');
  await git('add', '.');
  await git('commit', '--quiet', '--message=one');
  const commit = (await git('rev-parse', 'HEAD')).stdout.trim();
  const element = (ref: string) =>
    writeFile(
      join(project, 'elements/tool.bst'),
      `kind: import\nsources:\n- kind: git\n  url: upstream:upstream\n  track: master\n  ref: ${ref}\n`,
    );
  const conf = join(project, 'project.conf');
  await writeFile(conf, `${changeProject(await readFile(conf, 'utf8'))}aliases: {upstream: "file://${dir}/"}\n`);
  await appendFile(join(project, 'elements/image.bst'), '- tool.bst\n');
  await element(commit);
  const home = join(dir, 'home');
  await mkdir(home);
  const nightly = (...args: string[]) => runCli(project, args, { HOME: home, ...env });

  const first = await nightly('nightly', '--json');
  expect(first.stderr).not.toContain('✗');
  const { build } = JSON.parse(first.stdout);
  const report = JSON.parse(
    await readFile(join(project, 'work/builds', build, 'x86_64/provenance-report.json'), 'utf8'),
  );
  const key = expect.stringMatching(/^[0-9a-f]{64}$/);
  const local = (url: string) => [{ kind: 'local', url, digest: expect.stringMatching(/^[a-z0-9-]+:[0-9a-f]{64}/) }];
  expect(report.components.toSorted(byName)).toEqual([
    { name: 'app.bst', kind: 'import', key, sources: local('files/app') },
    { name: 'base/sysroot.bst', kind: 'import', key, sources: local('files/sysroot') },
    { name: 'image.bst', kind: 'stack', key, sources: [] },
    { name: 'tool.bst', kind: 'import', key, sources: [{ kind: 'git', url: `file://${upstream}`, commit }] },
  ]);

  const told = await nightly('provenance', build);
  for (const line of ['app.bst +import +\\w', 'base/sysroot.bst +import +\\w', 'image.bst +stack +\\w']) {
    expect(told.stdout).toMatch(new RegExp(`\n  ${line}`));
  }
  expect(told.stdout).toMatch(/ {2}app\.bst.*\n {4}local files\/app [a-z0-9-]+:[0-9a-f]{64}/);
  expect(told.stdout).toContain(`    git file://${upstream} commit ${commit}`);
  expect(told.stderr).not.toContain('not pinned');

  const artifacts = join(home, '.cache/buildstream/artifacts');
  expect(existsSync(artifacts)).toBe(true);
  await run('mv', [artifacts, `${artifacts}-away`]);
  const same = await nightly('nightly');
  expect(same.code).toBe(10);
  expect(same.stderr).not.toContain('compose');
  await run('rm', ['-rf', artifacts]);
  await run('mv', [`${artifacts}-away`, artifacts]);

  await writeFile(join(upstream, 'usr/share/tool'), 'two\n');
  await git('commit', '--quiet', '--all', '--message=two');
  await element((await git('rev-parse', 'HEAD')).stdout.trim());
  const second = await nightly('nightly', '--json');
  expect(second.stderr).not.toContain('✗');
  const next = JSON.parse(second.stdout);
  const diff = (await nightly('diff', build, next.build)).stdout;
  expect(diff).toMatch(/^ {2}tool\.bst [0-9a-f]{8} -> [0-9a-f]{8}$/m);
  expect(diff).not.toMatch(/^ {2}(app|base\/sysroot)\.bst/m);
  expect(diff).toContain('/usr/share: 1 changed');
  const client = join(dir, 'client');
  expect(await pulled(server, client, { ref: 'example-os/x86_64/nightly' })).toBe(next.commit);
  expect((await run('ostree', [`--repo=${client}`, 'cat', next.commit, '/usr/share/tool'])).stdout).toBe('two\n');
}
