import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseRepoFile, substitute } from '../../src/rpm/repofile.ts';
import { readTreefile } from '../../src/treefile/read.ts';
import { treefileRepos } from '../../src/treefile/treefile-repos.ts';
import { temporaryFolder } from '../support/tmp.ts';

const TEXT = `# comment
[base]
name = CentOS $releasever
baseurl=https://mirror.example.org/$releasever/BaseOS/\${basearch}/os/
        https://other.example.org/$releasever/
gpgcheck=1
enabled=0
gpgkey=file:///etc/key-1
 keys/key-2

[links]
metalink=https://mirrors.example.org/metalink?repo=base-$stream&arch=$basearch
gpgcheck = no
`;

describe('parseRepoFile', () => {
  it('reads sections, lists and variables', () => {
    const [base, links] = parseRepoFile(TEXT, '/x/a.repo', { releasever: '9', basearch: 'x86_64', stream: '9-stream' });
    expect(base).toMatchObject({
      id: 'base',
      line: 2,
      baseurl: ['https://mirror.example.org/9/BaseOS/x86_64/os/', 'https://other.example.org/9/'],
      gpgcheck: true,
      gpgkey: ['file:///etc/key-1', 'file:///x/keys/key-2'],
      options: { name: 'CentOS 9', enabled: '0' },
    });
    expect(links).toMatchObject({
      metalink: 'https://mirrors.example.org/metalink?repo=base-9-stream&arch=x86_64',
      gpgcheck: false,
    });
  });

  it('names the line that is neither section nor option', () => {
    expect(() => parseRepoFile('[a]\nbaseurl=x\nwhat\n', '/x/a.repo', {})).toThrow(
      expect.objectContaining({ code: 'config', place: { file: '/x/a.repo', line: 3 } }),
    );
  });

  it('leaves unknown variables as they are', () => {
    expect(substitute('$a-${b}-$c', { a: '1', b: '2' })).toBe('1-2-$c');
  });
});

describe('treefileRepos', () => {
  it('gives those the treefile names, whatever enabled= says', async () => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, 'a.repo'), TEXT);
    writeFileSync(join(dir, 't.yaml'), 'repos: [links]\nlockfile-repos: [base]\npackages: [a]\n');
    const treefile = await readTreefile(join(dir, 't.yaml'), { basearch: 'x86_64' });
    expect((await treefileRepos(treefile, { locked: false })).map(({ id }) => id)).toEqual(['links']);
    expect((await treefileRepos(treefile, { locked: true })).map(({ id }) => id)).toEqual(['links', 'base']);
  });

  it('gives all that are enabled when the treefile names none, as rpm-ostree does', async () => {
    const dir = temporaryFolder();
    writeFileSync(
      join(dir, 'a.repo'),
      '[on]\nbaseurl=file:///a\n[off]\nbaseurl=file:///b\nenabled=no\n[yes]\nbaseurl=file:///c\nenabled=1\n',
    );
    writeFileSync(join(dir, 't.yaml'), 'packages: [a]\n');
    const ids = async (locked: boolean) => {
      const treefile = await readTreefile(join(dir, 't.yaml'), { basearch: 'x86_64' });
      return (await treefileRepos(treefile, { locked })).map(({ id }) => id);
    };
    expect(await ids(false)).toEqual(['on', 'yes']);
    expect(await ids(true)).toEqual(['on', 'yes']);
    writeFileSync(join(dir, 't.yaml'), 'lockfile-repos: [off]\npackages: [a]\n');
    expect(await ids(false)).toEqual(['on', 'yes']);
    expect(await ids(true)).toEqual(['off']);
  });

  it('says which repositories there are when one is unknown', async () => {
    const dir = temporaryFolder();
    mkdirSync(join(dir, 'sub'));
    writeFileSync(join(dir, 'a.repo'), TEXT);
    writeFileSync(join(dir, 't.yaml'), 'packages: [a]\nrepos:\n  - base\n  - nonesuch\n');
    const treefile = await readTreefile(join(dir, 't.yaml'), { basearch: 'x86_64' });
    await expect(treefileRepos(treefile, { locked: false })).rejects.toMatchObject({
      code: 'repo-unknown',
      message: expect.stringMatching(/"nonesuch".*base, links in .*a\.repo/s),
      place: expect.objectContaining({ line: 4 }),
    });
  });

  it('refuses an id that two files define', async () => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, 'a.repo'), '[base]\nbaseurl=file:///a\n');
    writeFileSync(join(dir, 'b.repo'), '[base]\nbaseurl=file:///b\n');
    writeFileSync(join(dir, 't.yaml'), 'repos: [base]\n');
    const treefile = await readTreefile(join(dir, 't.yaml'), { basearch: 'x86_64' });
    await expect(treefileRepos(treefile, { locked: false })).rejects.toMatchObject({ code: 'config' });
  });
});
