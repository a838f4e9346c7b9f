import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { initConfig } from '../../src/cli/commands/init.ts';
import { loadConfig } from '../../src/config/load.ts';
import { temporaryFolder } from '../support/tmp.ts';

test('what init writes loads, and explains itself', async () => {
  const folder = temporaryFolder();
  await writeFile(join(folder, 'host.yaml'), 'ref: a\n');
  const path = await initConfig(join(folder, 'atomic-nightly.yaml'), {
    name: 'lab-atomic-host',
    treefile: join(folder, 'host.yaml'),
  });
  const config = await loadConfig(path);
  expect(config.name).toBe('lab-atomic-host');
  expect(config.streams).toMatchObject({ nightly: { treefile: join(folder, 'host.yaml') } });
  const text = await readFile(path, 'utf8');
  expect(text).toContain('treefile: "host.yaml"');
  expect(text.split('\n').filter((line) => line.trim().startsWith('#')).length).toBeGreaterThan(30);
  expect(await readdir(folder)).toEqual(['atomic-nightly.yaml', 'host.yaml']);
});

test('every commented-out example in it is valid too', async () => {
  const folder = temporaryFolder();
  await writeFile(join(folder, 'host.yaml'), 'ref: a\n');
  const path = await initConfig(join(folder, 'a.yaml'), { name: 'lab', treefile: join(folder, 'host.yaml') });
  const text = (await readFile(path, 'utf8'))
    .replace(/^engine: auto$/m, '')
    .replace(/^ {4}smoke-test: false$/m, '')
    // A comment that is YAML: a key, or a deeper part of one.
    .replaceAll(/^( *)# ((?: *)(?:(?:- )?[a-z][a-z-]*:(?: .*)?|- \{.*\}))$/gm, '$1$2');
  await writeFile(path, text);
  const config = await loadConfig(path);
  expect(Object.keys(config.targets)).toEqual(['buildlogs', 'mirror', 'archive', 'shell', 'bucket']);
  expect(config.targets['bucket']).toMatchObject({ type: 's3', retention: { graceSeconds: 604_800 } });
  expect(config.engine.type).toBe('rpm-ostree');
  expect(config.notify.map(({ type }) => type)).toEqual(['mail', 'matrix', 'webhook', 'mqtt']);
  expect(config.streams['nightly']).toMatchObject({
    smokeTest: { timeoutSeconds: 300 },
    maxMetadataAgeSeconds: 1_209_600,
    signing: [{ type: 'gpg-agent' }],
    deltas: ['parent'],
    schedule: { jitterSeconds: 600, catchUpSeconds: 43_200 },
  });
  expect(config.service).toMatchObject({ drainSeconds: 10, debounceSeconds: 300, mqtt: { type: 'external' } });
});

test('init leaves a file alone that is there', async () => {
  const folder = temporaryFolder();
  await writeFile(join(folder, 'host.yaml'), 'ref: a\n');
  await writeFile(join(folder, 'a.yaml'), 'mine');
  await expect(initConfig(join(folder, 'a.yaml'), { treefile: join(folder, 'host.yaml') })).rejects.toMatchObject({
    code: 'usage',
  });
  expect(await readFile(join(folder, 'a.yaml'), 'utf8')).toBe('mine');
  expect(await readdir(folder)).toEqual(['a.yaml', 'host.yaml']);
});

test('for each engine init writes what fits it, and nothing that its trees have no use for', async () => {
  for (const engine of ['checkout', 'command'] as const) {
    const folder = temporaryFolder();
    const path = await initConfig(join(folder, 'a.yaml'), { name: 'lab', engine });
    const { streams } = await loadConfig(path);
    expect(streams['nightly']).toMatchObject({
      engine: { type: engine },
      ref: expect.stringMatching(/^lab\//),
      images: [],
    });
    const text = await readFile(path, 'utf8');
    for (const key of ['treefile:', 'allow-downgrades', 'max-metadata-age', 'release-package:']) {
      expect(text.split('promotes-from')[0]).not.toContain(key);
    }
    // What it has as comments is valid too.
    await writeFile(
      path,
      text
        .replace('# bootable: true', 'bootable: true')
        .replace(/^ *inputs: .*\n/m, '')
        .replace('# inputs:', 'inputs:'),
    );
    expect((await loadConfig(path)).streams['nightly']).toMatchObject({ bootable: true });
  }
  const folder = temporaryFolder();
  const { streams } = await loadConfig(await initConfig(join(folder, 'a.yaml'), { name: 'lab', engine: 'rpm' }));
  expect(streams['nightly']?.engine.type).toBe('auto');
});
