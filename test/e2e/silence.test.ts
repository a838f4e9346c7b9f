import { mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type FileKey, makeFileKey } from '../support/openpgp-key.ts';
import { expectSilence } from '../support/silence.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld } from '../support/world.ts';

it('a signing stream is silent after a night, another publish, images, a second key, a prune and its release package', async () => {
  const dir = temporaryFolder();
  const [key, next] = [await makeFileKey(dir), await makeFileKey(dir, { name: 'next' })];
  const written = ({ keyFile, passphrase }: FileKey) =>
    `{type: openpgp, key-file: ${keyFile}, passphrase-file: ${passphrase.file}}`;
  await mkdir(join(dir, 'world'));
  const world = await makeWorld(join(dir, 'world'), {
    images: ['generic-cloud'],
    stream: [`signing: ${written(key)}`],
    target: (folder, url) =>
      `{type: directory, path: ${folder}, url: '${url}', retention: {refs: {'*': {depth: 1}}, grace: 1h}}`,
  });
  onTestFinished(() => world.stop());
  const done = async (...args: string[]) => {
    const result = await world.nightly(...args);
    expect(result, args.join(' ') + result.stdout + result.stderr).toMatchObject({ code: 0 });
    return result;
  };
  const first = JSON.parse((await done('nightly', '--json')).stdout).build;
  await expectSilence(world);

  // A record that is written again with the same bytes, or copied with another time, is as signed as before.
  const record = join(world.dir, 'work/builds', first, 'x86_64/meta.json');
  const signature = await readFile(`${record}.asc`);
  await utimes(record, new Date(Date.now() + 60_000), new Date(Date.now() + 60_000));
  await done('publish', first);
  await done('images', first);
  await expectSilence(world);
  expect(await readFile(`${record}.asc`)).toEqual(signature);

  // Other bytes are not, however old the file is.
  const text = await readFile(record, 'utf8');
  await writeFile(record, text.replace('"name": "mini"', '"name": "Mini"'));
  await utimes(record, new Date(0), new Date(0));
  const due = await world.nightly('publish', '--reconcile', '--dry-run', '--json');
  expect(JSON.parse(due.stdout).targets[0].sign).toEqual([`builds/${first}/x86_64/meta.json`]);
  await writeFile(record, text);

  const config = await readFile(world.config, 'utf8');
  const both = `[${written(key)}, ${written(next)}]`;
  await writeFile(world.config, config.replace(written(key), both));
  await done('publish', '--reconcile', '--sign-builds');
  await expectSilence(world);
  await world.distro.bump('app');
  await done('nightly');
  await done('prune');
  await expectSilence(world);
  const block = "release-package: {name: mini-remote, version: '9', repository: ./sig}";
  await writeFile(world.config, config.replace(written(key), `${both}\n    ${block}`));
  await done('release-package');
  await expectSilence(world);
}, 900_000);
