import { readFileSync } from 'node:fs';
import { appendFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { startHttpLog } from '../support/http-log.ts';
import { startMailSink } from '../support/mail-sink.ts';
import { makeReleaseWorld, night, RELEASE_REF, releasing } from '../support/release-world.ts';
import { makeSigningKey } from '../support/signing-key.ts';
import { expectSilence } from '../support/silence.ts';
import { standInGuest } from '../support/stand-in-guest.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { pulled, records, runCli, type World } from '../support/world.ts';

const read = async (world: World, path: string) => JSON.parse(await readFile(join(world.published, path), 'utf8'));

/** What a client that trusts that key alone gets from the mirror. */
async function strictPull(world: World, name: string, key: string): Promise<{ commit: string; repo: string }> {
  const repo = join(world.dir, name);
  return { repo, commit: await pulled({ url: `${world.url}/mirror` }, repo, { key, ref: RELEASE_REF }) };
}

async function contentOf(repo: string, commit: string): Promise<string> {
  return (await run('ostree', [`--repo=${repo}`, 'ls', '-R', '-C', commit])).stdout;
}

it('a promotion is approved, released, followed by the next release, and that one is withdrawn', async () => {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  const mail = await startMailSink();
  const issues = join(dir, 'issues.md');
  await writeFile(issues, '- The clock is wrong on Tuesdays.\n');
  const smtp = `{host: 127.0.0.1, port: ${mail.port}, security: none}`;
  const more = `, known-issues: ${issues}, mail: {from: sig@example.org, to: [announce@example.org], smtp: ${smtp}}`;
  const world = await makeReleaseWorld(dir, {
    images: ['generic-cloud'],
    targets: ['mirror', 'cloud'],
    release: releasing(key, more),
  });
  onTestFinished(() => world.stop());
  const hook = await startHttpLog();
  const told = 'events: [failed, promoted, released, withdrawn]';
  await appendFile(world.config, `notify:\n  - {type: webhook, url: '${hook.url}', secret-file: ${issues}, ${told}}\n`);
  const path = await standInGuest(dir, join(world.dir, 'work'));
  const cli = (...args: string[]) => runCli(world.dir, args, { PATH: path });
  const promoted = async (): Promise<string> => {
    const id = await night(world);
    const done = await cli('promote', id, '--json');
    expect(done.stderr).not.toContain('✗');
    return JSON.parse(done.stdout).build;
  };

  const first = await promoted();
  expect(await cli('release', (await records(world))[0]?.['buildid'] ?? '')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is a night'),
  });
  expect(await cli('release', first)).toMatchObject({ code: 2, stderr: expect.stringContaining('needs 1 approval, ') });
  expect(await cli('approve', first, '--by', 'Jane Doe')).toMatchObject({ code: 0 });
  await expectSilence(world, ['buildlogs', 'staging']);

  // An image that somebody changed stops it, and what is mended goes through.
  const image = join(world.dir, 'work/builds', first, 'x86_64/images', `mini-${first}-GenericCloud.qcow2`);
  const good = await readFile(image);
  await writeFile(image, Buffer.concat([good.subarray(0, -1), Buffer.from('!')]));
  expect(await cli('release', first)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('is not what was built'),
  });
  await writeFile(image, good);
  expect((await cli('release', first, '--dry-run')).stdout).toMatch(
    /tree to directory .*mirror[\s\S]*images to directory .*cloud/,
  );

  // A mirror that is no folder any more: told as a failure, and gone on with.
  const mirror = join(world.published, 'mirror');
  await rename(mirror, `${mirror}.away`);
  await writeFile(mirror, '');
  expect((await cli('release', first)).code).toBe(1);
  await rm(mirror);
  await rename(`${mirror}.away`, mirror);

  const released = await cli('release', first);
  expect(released.stderr).not.toContain('✗');
  expect(released).toMatchObject({ code: 0, stdout: expect.stringContaining(`${first} is released.`) });
  const one = await strictPull(world, 'first', key.publicKeyFile);
  const [, meta] = await records(world);
  expect(one.commit).toBe(meta?.['ostree-commit']);
  const latest = async () => (await read(world, 'cloud/streams/release/latest.json')).arches.x86_64.build;
  expect(await latest()).toBe(first);
  expect((await read(world, 'cloud/streams/release/releases.json')).releases).toMatchObject([{ version: first }]);
  const notes = await readFile(join(world.published, `cloud/builds/${first}/x86_64/release/notes.md`), 'utf8');
  expect(notes).toContain('This is the first release.');
  expect(notes).toContain('The clock is wrong on Tuesdays.');
  expect(notes).toContain(key.key);
  expect(mail.lines.join('\n')).toContain(`mini ${first} released`);

  expect(meta).toMatchObject({ 'atomic-nightly.approvals': [{ by: 'Jane Doe' }] });
  await expectSilence(world);

  // Everything verifies with the public key alone.
  const folder = join(world.published, 'cloud/builds', first, 'x86_64');
  const home = join(dir, 'outsider');
  await mkdir(home, { mode: 0o700 });
  await run('gpg', ['--homedir', home, '--batch', '--quiet', '--import', join(folder, 'release/key.asc')]);
  const signed = ['SHA256SUMS', 'meta.json', 'release/notes.md', `images/mini-${first}-GenericCloud.qcow2`];
  for (const name of signed) {
    await run('gpg', ['--homedir', home, '--batch', '--verify', join(folder, `${name}.asc`), join(folder, name)]);
  }
  await run('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: folder });
  const pointer = join(world.published, 'cloud/streams/release/latest.json');
  await run('gpg', ['--homedir', home, '--batch', '--verify', `${pointer}.asc`, pointer]);
  const show = await run('ostree', [`--repo=${one.repo}`, 'show', '--gpg-verify-remote=origin', one.commit]);
  expect(show.stdout).toContain('Good signature');

  // Frozen: nothing touches it again.
  expect(await cli('release', first)).toMatchObject({ code: 2, stderr: expect.stringContaining('was released on') });
  expect(await cli('images', first)).toMatchObject({ code: 2, stderr: expect.stringContaining('never changes') });

  await world.distro.bump('app');
  const second = await promoted();
  await cli('approve', second, '--by', 'Jane Doe');
  expect(await cli('release', second)).toMatchObject({ code: 0 });
  const offered = () => readFile(join(world.published, 'cloud/get/index.html'), 'utf8');
  expect(await offered()).toContain(`Latest release: <a href="../builds/${second}/x86_64/index.html">`);
  // The tree is on the mirror, which has no pages: it has no builds.
  expect(await offered()).toContain(`${world.url}/mirror/repo`);
  expect(await latest()).toBe(second);
  const next = readFileSync(join(world.published, `cloud/builds/${second}/x86_64/release/notes.md`), 'utf8');
  expect(next).toMatch(new RegExp(`1 upgraded since ${first}[\\s\\S]*\\| app \\|`));

  // With the record of the newest release damaged, the one before it is not taken for the newest.
  const record = join(world.dir, 'work/builds', second, 'x86_64/meta.json');
  const whole = await readFile(record);
  await writeFile(record, whole.subarray(0, 100));
  const damaged = { code: 1, stderr: expect.stringContaining(`${record} is damaged`) };
  expect(await cli('release', '--withdraw', first, '--reason', 'x', '--dry-run')).toMatchObject(damaged);
  expect(await cli('release', '--withdraw', second, '--reason', 'x', '--dry-run')).toMatchObject(damaged);
  await writeFile(record, whole);

  const withdrawn = await cli('release', '--withdraw', second, '--reason', 'it loses its clock');
  expect(withdrawn.stderr).not.toContain('✗');
  expect(withdrawn).toMatchObject({ code: 0 });
  expect(await latest()).toBe(first);
  const index = await read(world, 'cloud/streams/release/releases.json');
  expect(await offered()).toContain(`Latest release: <a href="../builds/${first}/x86_64/index.html">`);
  const page = await readFile(join(world.published, `cloud/builds/${second}/x86_64/index.html`), 'utf8');
  expect(page).toContain('it loses its clock');
  expect(index.releases).toMatchObject([{ version: first }, { version: second, withdrawn: 'it loses its clock' }]);
  const artifact = (await read(world, 'cloud/streams/release.json')).architectures.x86_64.artifacts['generic-cloud'];
  expect(artifact.release).toBe(first);
  // Hosts on the bad release get the tree before it, as something newer.
  const back = await strictPull(world, 'back', key.publicKeyFile);
  expect(back.commit).not.toBe(one.commit);
  expect(await contentOf(back.repo, back.commit)).toBe(await contentOf(one.repo, one.commit));
  const log = (await run('ostree', [`--repo=${back.repo}`, 'show', '--print-metadata-key=version', back.commit]))
    .stdout;
  const withdrawal = (await records(world)).at(-1);
  expect(log.trim()).toBe(`'${withdrawal?.['buildid']}'`);
  expect(withdrawal).toMatchObject({ 'ostree-commit': back.commit, 'atomic-nightly.state': 'complete' });
  expect(await cli('release', '--withdraw', second, '--reason', 'again')).toMatchObject({ code: 2 });
  await run('ostree', [`--repo=${join(world.published, 'mirror/repo')}`, 'fsck', '--quiet']);

  await expectSilence(world);

  const released1 = `${world.url}/cloud/builds/${first}/x86_64/`;
  expect(hook.requests.map(({ body }) => JSON.parse(body))).toMatchObject([
    { type: 'promoted', build: first, stream: 'release', night: (await records(world))[0]?.['buildid'] },
    { type: 'failed', build: first, state: 'complete', failures: [{ step: 'push-mirror' }] },
    { type: 'released', build: first, commit: one.commit, url: released1, notes: `${released1}release/notes.md` },
    { type: 'promoted', build: second },
    { type: 'released', build: second },
    { type: 'withdrawn', release: second, previous: first, reason: 'it loses its clock', commit: back.commit },
  ]);
}, 480_000);
