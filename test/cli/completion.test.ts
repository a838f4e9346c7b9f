import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { builtEntries, flagsOf } from '../support/cli-entries.ts';
import { type CompletingShell, completingShell, SHELLS } from '../support/shells.ts';

const entries = builtEntries().filter(({ hidden }) => hidden !== true);
const EVERYWHERE = ['--color', '--config', '--help', '--log-format', '--quiet', '--verbose', '--version'];

describe.each(SHELLS)('%s', (name) => {
  let dir: string;
  let shell: CompletingShell;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
    await mkdir(join(dir, 'sub'));
    await mkdir(join(dir, 'work/builds/20261121_02'), { recursive: true });
    await mkdir(join(dir, 'work/builds/20261120_01'), { recursive: true });
    await writeFile(join(dir, 'id.txt'), '');
    await writeFile(join(dir, 'treefile.yaml'), 'ref: a\n');
    await writeFile(
      join(dir, 'lab.yaml'),
      `name: mini
work: ./work
targets:
  mirror: {type: directory, path: /srv/mirror, url: 'http://127.0.0.1:8087'}
  buildlogs: {type: directory, path: /srv/buildlogs, url: 'http://127.0.0.1:8088'}
streams:
  centos: {treefile: treefile.yaml, arch: x86_64, targets: [mirror]}
  fedora: {treefile: treefile.yaml, arch: x86_64, targets: [buildlogs]}
`,
    );
    await writeFile(join(dir, 'bad.yaml'), 'streams: [');
    shell = await completingShell(name, dir);
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  async function offered(line: string): Promise<string[]> {
    return (await shell.offers([line]))[0] ?? [];
  }

  test('offers the commands, without those that are not for people', async () => {
    const [all, some, group] = await shell.offers([
      'atomic-nightly ',
      'atomic-nightly ni',
      'atomic-nightly --log-format json keys ',
    ]);
    const top = entries.flatMap((entry) => (entry.name.includes(' ') ? [] : [entry.name]));
    expect(all).toEqual([...top, 'help'].toSorted());
    expect(some).toEqual(['nightly']);
    expect(group).toEqual(['generate', 'show']);
  });

  test('offers the options of every command, and those of all', async () => {
    const runnable = entries.filter(({ isGroup }) => !isGroup);
    const found = await shell.offers(runnable.map((entry) => `atomic-nightly ${entry.name} --`));
    runnable.forEach((entry, index) => {
      const options = (found[index] ?? []).filter((one) => one.startsWith('--'));
      const expected = [...flagsOf(entry), ...EVERYWHERE].toSorted();
      expect([entry.name, options]).toEqual([entry.name, expected]);
    });
  });

  test('offers the choices of an option and of an argument', async () => {
    expect(
      await shell.offers([
        'atomic-nightly nightly --until ',
        'atomic-nightly nightly --until=pu',
        'atomic-nightly list --log-format ',
        'atomic-nightly completion ',
      ]),
    ).toEqual([
      ['compose', 'push', 'resolve'],
      ['push'],
      ['auto', 'json', 'plain', 'quiet', 'verbose'],
      ['bash', 'fish', 'zsh'],
    ]);
  });

  test('offers files where a file is meant, folders where a folder is, and nothing where there is nothing to choose', async () => {
    const [file, argument, folder, text] = await shell.offers([
      'atomic-nightly nightly --id-file ',
      'atomic-nightly treefile ',
      'atomic-nightly keys generate --out ',
      'atomic-nightly approve --note ',
    ]);
    for (const one of [file, argument]) expect(one).toEqual(expect.arrayContaining(['id.txt', 'sub']));
    expect(folder).toContain('sub');
    expect(folder).not.toContain('id.txt');
    expect(text).toEqual([]);
  });

  test('offers builds, streams and targets of the configuration that the line names', async () => {
    expect(
      await shell.offers([
        'atomic-nightly --config lab.yaml show ',
        'atomic-nightly nightly -c lab.yaml ',
        'atomic-nightly publish -c lab.yaml --reconcile --target m',
        'atomic-nightly diff -c lab.yaml 20261120_01 20261121',
      ]),
    ).toEqual([
      ['20261120_01', '20261121_02', 'latest', 'released', 'tested'],
      ['centos', 'fedora'],
      ['mirror'],
      ['20261121_02'],
    ]);
  });

  test('offers nothing, and says nothing, when there is no configuration or a faulty one', async () => {
    expect(await offered('atomic-nightly show ')).toEqual([]);
    expect(await offered('atomic-nightly -c bad.yaml nightly ')).toEqual([]);
  });

  test('knows that several words may follow an option', async () => {
    const [after, value] = await shell.offers([
      'atomic-nightly promote -c lab.yaml 20261120_01 --override a-1-1.noarch --dry',
      'atomic-nightly promote -c lab.yaml 20261120_01 --override ',
    ]);
    expect(after).toEqual(['--dry-run']);
    expect(value).toEqual([]);
  });
});
