import { existsSync } from 'node:fs';
import { appendFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { sha256File } from '../../src/base/files.ts';
import type { ImageFile } from '../../src/images/image.ts';
import { run } from '../../src/programs/exec.ts';
import { metaOf } from '../support/build-meta.ts';
import { everyCase } from '../support/every-case.ts';
import { makeStatedWorld } from '../support/stated-world.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { records, type World } from '../support/world.ts';

/** A world whose stream has statements signed, and one image. */
async function statedWorld(): Promise<World> {
  const world = await makeStatedWorld(temporaryFolder(), [], ['iso']);
  onTestFinished(() => world.stop());
  return world;
}

async function isoOf(world: World): Promise<{ readonly folder: string; readonly image: ImageFile }> {
  const meta = metaOf((await records(world)).at(-1));
  const image = meta.images?.['iso'];
  if (image === undefined) throw new Error('there is no image');
  return { folder: join(world.published, 'builds', meta.buildid, 'x86_64'), image };
}

/** What the envelope of a statement holds, once openssl has verified it by the very lines of docs/attestations.md. */
async function verifiedStatement(world: World, file: string) {
  const page = await readFile(new URL('../../docs/attestations.md', import.meta.url), 'utf8');
  const script = /python3 - <<'END'\n([^`]*)\nEND\n(openssl dgst .*)\n/.exec(page);
  const scratch = temporaryFolder();
  await cp(file, join(scratch, 'provenance.intoto.jsonl'));
  await cp(join(world.dir, 'statements.pub'), join(scratch, 'statements.pub'));
  await run('python3', ['-c', script?.[1] ?? ''], { cwd: scratch });
  expect((await run('sh', ['-c', script?.[2] ?? ''], { cwd: scratch })).stdout).toBe('Verified OK\n');
  return JSON.parse(await readFile(join(scratch, 'statement.json'), 'utf8'));
}

test('I2: an image has a statement beside it that says from which commit it is, and that goes where the image goes', async () => {
  const world = await statedWorld();
  const night = await world.nightly('nightly');
  expect(night.stderr).not.toContain('✗');
  const { folder, image } = await isoOf(world);
  const file = join(folder, image.statement?.path ?? '');
  expect(image.statement?.path).toBe(`${image.path}.intoto.jsonl`);
  expect(await sha256File(file)).toBe(image.statement?.sha256);
  expect((await run('sha256sum', ['-c', 'SHA256SUMS'], { cwd: folder })).stdout).toContain(
    `${image.statement?.path}: OK`,
  );
  const { subject, predicate } = await verifiedStatement(world, file);
  expect(subject).toEqual([{ name: image.path, digest: { sha256: await sha256File(join(folder, image.path)) } }]);
  const { buildType, externalParameters, resolvedDependencies } = predicate.buildDefinition;
  expect(buildType).toBe('urn:atomic-nightly:image:1');
  expect(externalParameters).toEqual({
    stream: 'nightly',
    ref: 'mini/x86_64/nightly',
    arch: 'x86_64',
    type: 'iso',
  });
  expect(resolvedDependencies).toEqual([
    { name: 'commit', uri: 'ostree:mini/x86_64/nightly', digest: { sha256: image.commit } },
  ]);

  // Silent afterwards, and what is published again keeps its bytes (I16).
  expect((await world.nightly('publish')).code).toBe(0);
  expect(await sha256File(file)).toBe(image.statement?.sha256);
  const verified = await world.nightly('verify', 'buildlogs');
  expect(verified.code, verified.stdout + verified.stderr).toBe(0);

  // A byte of it changed, or the file gone, is found by name and mended.
  await appendFile(file, 'x');
  const changed = await world.nightly('verify', 'buildlogs');
  expect(changed.code).not.toBe(0);
  expect(changed.stdout + changed.stderr).toContain(`${image.statement?.path}`);
  await rm(file);
  expect((await world.nightly('verify', 'buildlogs')).code).not.toBe(0);
  expect((await world.nightly('publish', '--reconcile')).code).toBe(0);
  expect(await sha256File(file)).toBe(image.statement?.sha256);

  // An image that is made anew, since its type changed, has a statement of its own.
  const types = join(world.dir, 'image-types/iso/image.yaml');
  await writeFile(types, `${await readFile(types, 'utf8')}# another\n`);
  const again = await world.nightly('images', metaOf((await records(world)).at(-1)).buildid);
  expect(again.stderr).not.toContain('✗');
  const anew = (await isoOf(world)).image;
  expect(anew.templateDigest).not.toBe(image.templateDigest);
  expect((await verifiedStatement(world, file)).subject[0].digest.sha256).toBe(anew.sha256);
  expect((await verifiedStatement(world, file)).predicate.buildDefinition.internalParameters.templateDigest).toBe(
    anew.templateDigest,
  );
  expect((await world.nightly('verify', 'buildlogs')).code).toBe(0);
});

test.runIf(everyCase)(
  'I8: an image whose statement cannot be signed waits for a resume, and is not published without',
  async () => {
    const world = await statedWorld();
    // The key signs the build's statement, and is gone when the image is made.
    const config = await readFile(world.config, 'utf8');
    const [bin, key] = [join(world.dir, 'sign'), join(world.dir, 'statements.pem')];
    const script = `#!/bin/sh\n[ -e ${world.dir}/once ] && [ ! -e ${world.dir}/back ] && { echo the card is gone >&2; exit 1; }\ntouch ${world.dir}/once\nopenssl dgst -sha256 -sign ${key}\n`;
    await writeFile(bin, script, { mode: 0o755 });
    await writeFile(
      world.config,
      config.replace(
        /key: \{type: key-file[^}]*\}/,
        `key: {type: command, command: [${bin}], public-key-file: ${join(world.dir, 'statements.pub')}, retries: 0}`,
      ),
    );
    const night = await world.nightly('nightly');
    expect(night.stderr).toContain('the card is gone');
    const [record] = await records(world);
    expect(record?.['atomic-nightly.state']).toBe('incomplete');
    const folder = join(world.published, 'builds', String(record?.['buildid']), 'x86_64');
    expect(existsSync(join(folder, 'images'))).toBe(false);
    await mkdir(join(world.dir, 'back'));
    const resumed = await world.nightly('resume');
    expect(resumed.stderr).not.toContain('✗');
    const { image } = await isoOf(world);
    expect((await verifiedStatement(world, join(folder, image.statement?.path ?? ''))).subject[0].digest.sha256).toBe(
      image.sha256,
    );
    expect((await world.nightly('verify', 'buildlogs')).code).toBe(0);
  },
);
