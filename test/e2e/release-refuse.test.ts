import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { makeFileKey } from '../support/openpgp-key.ts';
import { filesEnding, replaceFile } from '../support/reconcile.ts';
import { json, makeReleaseWorld, night, RELEASE_REF, recordOf } from '../support/release-world.ts';
import { standInGuest } from '../support/stand-in-guest.ts';
import { standInSigner } from '../support/stand-in-signer.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { records, runCli } from '../support/world.ts';

it('I2: what must not be promoted, released or changed is refused with its message, and nobody sees anything of it', async () => {
  const dir = temporaryFolder();
  const key = await makeFileKey(dir, { name: 'good' });
  const expired = await makeFileKey(dir, { name: 'old', made: new Date('2026-01-01'), seconds: 86_400 });
  const wrong = join(dir, 'wrong.passphrase');
  await writeFile(wrong, 'not the passphrase\n', { mode: 0o600 });
  const signer = await standInSigner(dir, `. ${dir}/does`);
  const byFile = (file: typeof key, passphrase = file.passphrase.file): string =>
    `signing: {type: openpgp, key-file: ${file.keyFile}, passphrase-file: ${passphrase}}`;
  const byCommand = `signing: {type: command, command: [${signer.program}], public-key-file: ${key.publicKeyFile}, timeout: 1, retries: 0}`;
  const gate = 'smoke-test: {timeout: 60}';
  const world = await makeReleaseWorld(dir, {
    images: ['generic-cloud'],
    targets: ['mirror', 'cloud'],
    release: ['images: [generic-cloud]', byFile(key), gate, 'release: {tree: [mirror], images: [cloud]}'],
  });
  onTestFinished(() => world.stop());
  const guest = await standInGuest(dir, join(world.dir, 'work'));
  const cli = (...args: string[]) => runCli(world.dir, args, { PATH: guest });
  const configure = async (before: RegExp, after: string): Promise<void> => {
    await writeFile(world.config, (await readFile(world.config, 'utf8')).replace(before, after));
  };
  const signWith = (line: string): Promise<void> => configure(/signing: .*/, line);
  const gateWith = (line: string): Promise<void> => configure(/(signing: .*\n +)smoke-test: .*/, `$1${line}`);
  const seen = (target: string): boolean => existsSync(join(world.published, target, 'repo/refs/heads', RELEASE_REF));
  const refused = async (args: readonly string[], message: RegExp, code = 1): Promise<void> => {
    const result = await cli(...args);
    expect(result.stderr).toMatch(message);
    expect(result.stderr).toMatch(/what to do: \S/);
    expect(result.code).toBe(code);
    expect(seen('mirror')).toBe(false);
    expect(existsSync(join(world.published, 'cloud/builds'))).toBe(false);
  };

  // Before any work: a key that cannot sign.
  const id = await night(world);
  await signWith(byFile(expired));
  await refused(['promote', id], /The key .* has expired on 2026-01-02/);
  await signWith(byFile(key, wrong));
  await refused(['promote', id], /passphrase .*does not (fit|unlock|open)/);
  expect(await records(world)).toHaveLength(1);

  // While it is made: a signer that does not answer, and one that answers nonsense.
  await signWith(byCommand);
  await writeFile(join(dir, 'does'), 'sleep 60\n');
  await refused(['promote', id], /✗ sign[\s\S]*did not answer within 1 s/);
  const build = String((await records(world)).at(-1)?.['buildid']);
  await writeFile(join(dir, 'does'), 'echo "<html>502 Bad Gateway</html>"\n');
  await refused(['resume', build], /✗ sign[\s\S]*printed something that is no OpenPGP signature/);
  expect(seen('staging')).toBe(false);
  await refused(['release', build], new RegExp(`Build ${build} is failed`), 2);

  // A stream without a gate; and one whose gate did not open.
  await signWith(byFile(key));
  await gateWith('smoke-test: false');
  await refused(['release', build], /needs a "smoke-test" in the stream: nothing is released that was not tested/, 2);
  await gateWith(gate);
  const dead = join(dir, 'stand-in-bin/qemu-system-x86_64');
  const alive = await readFile(dead, 'utf8');
  await writeFile(dead, '#!/bin/sh\nexit 3\n');
  expect(await cli('resume', build)).toMatchObject({ code: 12 });
  await refused(['release', build], /did not pass its smoke test, so it is not released/, 12);
  await refused(['approve', build, '--by', 'Jane'], /did not pass its gate/, 12);
  await writeFile(dead, alive);
  expect(await cli('resume', build)).toMatchObject({ code: 0 });

  // What was tested is not what would be released.
  const commit = String((await recordOf(world, build)).ostreeCommit);
  const object = join(world.dir, 'work/repo/objects', commit.slice(0, 2), `${commit.slice(2)}.commit`);
  const tampered = async (path: string, message: RegExp): Promise<void> => {
    const good = await readFile(path);
    const bad = Buffer.from(good);
    bad.writeUInt8(bad.readUInt8(bad.length - 20) ^ 1, bad.length - 20);
    await replaceFile(path, bad);
    await refused(['release', build], message);
    await refused(['release', build], message);
    await replaceFile(path, good);
  };
  await tampered(`${object}meta`, /has no good signature by the key of stream "release"/);
  await tampered(object, new RegExp(`${commit}.*`));

  const [content = ''] = await filesEnding(join(world.dir, 'work/repo/objects'), '.filez');
  await rename(content, `${content}.away`);
  await refused(['release', build], /missing|corrupt/i);
  await rename(`${content}.away`, content);

  // A key that cannot sign the release.
  await signWith(byFile(expired));
  await refused(['release', build], /The key .* has expired on 2026-01-02/);
  await signWith(byFile(key, wrong));
  await refused(['release', build], /passphrase .*does not (fit|unlock|open)/);
  await signWith(byCommand);
  await writeFile(join(dir, 'does'), 'sleep 60\n');
  await refused(['release', build], /✗ notes[\s\S]*did not answer within 1 s/);
  await writeFile(join(dir, 'does'), 'echo "<html>502 Bad Gateway</html>"\n');
  await refused(['release', build], /✗ notes[\s\S]*printed something that is no OpenPGP signature/);

  // Nothing but that was in the way; and from now on nothing changes it.
  await signWith(byFile(key));
  expect(await cli('release', build)).toMatchObject({ code: 0 });
  const record = await recordOf(world, build);
  const unchanged = async (args: readonly string[], message: RegExp): Promise<void> => {
    const result = await cli(...args);
    expect(result.stderr).toMatch(message);
    expect(result.stderr).toMatch(/what to do: \S/);
    expect(result.code).toBe(2);
    expect(await recordOf(world, build)).toEqual(record);
  };
  await unchanged(['release', build], /was released on/);
  await unchanged(['images', build], /is released, or its release has begun: it never changes any more/);
  await unchanged(['publish', build], /never changes any more/);
  await unchanged(['resume', build], /is complete; nothing is left to do/);
  await unchanged(['approve', build, '--by', 'Jane'], /released/);
  await unchanged(['promote', build], /is a promotion of nightly build \d+_\d+ itself/);
  // Promoting its night again makes another build and supersedes none that is out.
  await json(world, 'promote', id, '--dry-run');
  expect(await recordOf(world, build)).toEqual(record);
});
