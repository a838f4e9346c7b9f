import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { readRepoContent } from '../../src/rpm/repodata.ts';
import { parseRepoFile } from '../../src/rpm/repofile.ts';
import { makeMiniDistro } from '../support/mini-distro.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

it('reads what createrepo_c wrote, however it is compressed', async () => {
  const dir = temporaryFolder();
  const { repoDir } = await makeMiniDistro(dir);
  const task = testTask(dir);
  const [repo] = parseRepoFile(`[mini]\nbaseurl=${pathToFileURL(repoDir).href}\n`, '/x/mini.repo', {});
  if (!repo) throw new Error('no repository');
  const read = () => readRepoContent(repo, task);
  const plain = await read();
  expect(plain.packages).toHaveLength(11);
  const app = plain.packages.find(({ name }) => name === 'app');
  const file = join(repoDir, 'app-2.0-1.noarch.rpm');
  const { stdout } = await run('sha256sum', [file]);
  expect(app).toMatchObject({
    ...{ evra: '1:2.0-1.noarch', digest: `sha256:${stdout.slice(0, 64)}`, url: pathToFileURL(file).href },
    ...{ bytes: (await readFile(file)).length, provides: expect.arrayContaining(['app', '/usr/bin/app']) },
  });
  expect(plain.advisories).toBeUndefined();
  for (const kind of ['xz', 'bz2']) {
    await run('createrepo_c', ['--quiet', '--no-database', `--general-compress-type=${kind}`, repoDir]);
    expect((await read()).packages.map(({ evra }) => evra).sort()).toEqual(
      plain.packages.map(({ evra }) => evra).sort(),
    );
  }
  await writeFile(join(repoDir, 'updateinfo.xml'), '<updates></updates>');
  await run('modifyrepo_c', ['--no-compress', join(repoDir, 'updateinfo.xml'), join(repoDir, 'repodata')]);
  expect((await read()).advisories).toEqual([]);

  const primary = (await run('find', [join(repoDir, 'repodata'), '-name', '*primary*'])).stdout.trim();
  await writeFile(primary, 'other content');
  await expect(read()).rejects.toMatchObject({
    code: 'repo-unreachable',
    message: expect.stringContaining('it has another checksum than repomd.xml says'),
  });
});
