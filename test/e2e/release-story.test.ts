import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, onTestFinished, test } from 'vitest';
import { bootImage, type Vm } from '../../src/boot/boot-image.ts';
import { checkSystem } from '../../src/boot/check-system.ts';
import { inGuest } from '../../src/boot/in-guest.ts';
import { reboot, upgrade } from '../../src/boot/upgrade.ts';
import type { BuildMeta } from '../../src/build/build-record.ts';
import { run } from '../../src/programs/exec.ts';
import { fetchFile } from '../../src/rpm/download.ts';
import { parseNevra } from '../../src/rpm/evr.ts';
import type { UpdatesSince } from '../../src/rpm/updates.ts';
import { startMailSink } from '../support/mail-sink.ts';
import { outsider } from '../support/outsider.ts';
import { makeStory, PACKAGES, type Story } from '../support/story.ts';
import { testTask } from '../support/tmp.ts';
import { pulled } from '../support/world.ts';

// What a SIG does in four weeks, from the first night to hosts that follow its releases: one story, a chapter a test.
// With E2E_OUTPUT=FOLDER a transcript, the release notes and the announcements are kept there.
const BOOT_SECONDS = 900;
/** The release's ref, and the remote that its package has. */
const RELEASE = 'lab-atomic-host/x86_64/release';
const REMOTE = 'lab-atomic-release';

let story: Story;
let broken = false;
let first: BuildMeta;
let second: BuildMeta;
/** The image of the first release, as somebody downloaded it; and the key they check it with. */
let downloaded = '';
let key = '';

beforeAll(async () => {
  story = await makeStory(await mkdtemp(join(tmpdir(), 'atomic-nightly-story-')));
});
afterAll(async () => {
  await story.stop();
  await rm(story.dir, { recursive: true, force: true });
});
beforeEach(({ skip }) => {
  if (broken) skip('an earlier chapter failed');
  onTestFailed(() => {
    broken = true;
  });
});

/** Runs a command that must succeed. @returns what it printed on standard output */
async function must(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await story.cli(...args);
  expect(code, stderr).toBe(0);
  return stdout;
}

const nights = async (): Promise<BuildMeta[]> =>
  (await story.builds()).filter((meta) => meta.stream === 'nightly' && meta.ostreeCommit);

async function newestBuild(): Promise<BuildMeta> {
  const [newest] = (await story.builds()).toReversed();
  if (!newest) throw new Error('there is no build');
  return newest;
}

const commitOf = (meta: BuildMeta) => ({ commit: meta.ostreeCommit ?? '', version: meta.buildid });

test('a week of nights: five with updates, one unchanged', async () => {
  await must('lab', 'build', 'lab', '--url', story.sites.buildlogs.url);
  await writeFile(join(story.dir, 'passphrase'), 'a long sentence nobody guesses\n', { mode: 0o600 });
  const whose = ['--name', 'Lab Atomic SIG', '--email', 'sig@lab.invalid'];
  await must('keys', 'generate', ...whose, '--passphrase-file', 'passphrase', '--out', 'keys');
  await writeFile(join(story.dir, 'known-issues.md'), '- Only the serial console shows the boot menu.\n');
  await story.configure({ images: [] });
  for (const stream of ['nightly', 'release']) await must('release-package', stream);
  await story.addRepositories();
  const week = [[], ['curl', 'tree'], ['sudo'], ['hostname', 'iputils-ping'], [], ['less'], ['curl', '--kernel']];
  for (const [index, updates] of week.entries()) {
    // A nightly host boots the first night's image; later nights need none.
    await story.configure({ images: index === 0 ? ['nightly'] : [] });
    if (updates.length > 0) await must('lab', 'update', 'lab', ...updates);
    const { code, stderr } = await story.cliOn(index + 1 - week.length, 'nightly');
    expect(code, stderr).toBe(index === 4 ? 10 : 0);
  }
  const days = (await nights()).map(({ buildid }) => buildid);
  expect(new Set(days.map((id) => id.slice(0, 8))).size).toBe(6);
});

test('list, diff, show and cycle tell which night to promote', async () => {
  const [, , , due] = await nights();
  const id = due?.buildid ?? '';
  await must('list');
  await must('diff', (await nights())[0]?.buildid ?? '', id);
  const cycle = await story.ask<{ candidate: { build: string } }>('cycle');
  expect(await must('cycle')).toContain(`not promoted yet: atomic-nightly promote ${id}`);
  expect(cycle.candidate.build).toBe(id);
  expect(await must('show', id)).toMatch(/Security updates since[\s\S]* less /);
});

test('the night that is due is promoted, and reworked with an update that came since', async () => {
  const { candidate } = await story.ask<{ candidate: { build: string } }>('cycle');
  const night = candidate.build;
  await must('promote', night, '--reason', 'Cycle 1');
  const attempt = await newestBuild();

  const shown = await story.ask<{ 'atomic-nightly.updates-since': UpdatesSince }>('show', attempt.buildid);
  const { advisories } = shown['atomic-nightly.updates-since'];
  const less = advisories.flatMap(({ packages }) => packages).find(({ name }) => name === 'less');
  const nevra = `less-${less?.to}`;
  expect(parseNevra(nevra)).toBeDefined();
  await story.configure({ images: [] });
  await must('promote', night, '--override', nevra, '--reason', 'Cycle 1, with the fix of less');
  const [superseded, reworked] = (await story.builds()).slice(-2);
  expect(superseded).toMatchObject({ buildid: attempt.buildid, supersededBy: reworked?.buildid });
  expect(reworked).toMatchObject({ state: 'complete', promotion: { attempt: 2 } });
  expect(await story.cli('approve', attempt.buildid, '--by', 'Jane Doe')).toMatchObject({ code: 2 });
});

test('it is approved and released, and the announcement is sent', async () => {
  first = await release();
  const { notes, announcement } = await texts(first);
  expect(notes).toContain('This is the first release.');
  expect(notes).toContain('Only the serial console');
  expect(announcement).toContain('Cycle 1, with the fix of less');
});

test('a stranger with the public key alone pulls the tree, and checks the image', async () => {
  const { mirror, cloud } = story.sites;
  const folder = `${cloud.url}/builds/${first.buildid}/x86_64`;
  const here = join(story.dir, 'stranger');
  for (const name of ['images', 'release']) await mkdir(join(here, name), { recursive: true });
  const image = first.images?.['generic-cloud']?.path ?? '';
  const fetched = ['release/key.asc', 'SHA256SUMS', 'SHA256SUMS.asc', image, `${image}.asc`];
  for (const path of fetched) await fetchFile(`${folder}/${path}`, join(here, path), testTask(here));
  key = join(here, 'release/key.asc');
  const gpg = await outsider(here, key);
  for (const path of ['SHA256SUMS', image]) {
    const { code, words } = await gpg('--verify', join(here, `${path}.asc`), join(here, path));
    await story.tell(`$ gpg --verify ${path}.asc ${path}\n${words}`);
    expect({ code, words }).toMatchObject({ code: 0, words: expect.stringContaining('Good signature') });
  }
  const sums = await run('sha256sum', ['--check', '--ignore-missing', 'SHA256SUMS'], { cwd: here });
  await story.tell(`$ sha256sum --check --ignore-missing SHA256SUMS\n${sums.stdout}`);
  expect(sums.stdout).toBe(`${image}: OK\n`);
  downloaded = join(here, image);

  const repo = join(here, 'repo');
  expect(await pulled(mirror, repo, { key, ref: RELEASE })).toBe(first.ostreeCommit);
  const show = ['show', '--gpg-verify-remote=origin', `origin:${RELEASE}`];
  const verified = await run('ostree', [`--repo=${repo}`, ...show]);
  await story.tell(`$ ostree ${show.join(' ')}\n${verified.stdout}`);
  expect(verified.stdout).toContain('Good signature');
});

test('the last night of the week is promoted and released, with a new kernel', async () => {
  const night = (await nights()).at(-1)?.buildid ?? '';
  await must('promote', night, '--reason', 'A new kernel, before the next cycle.');
  await must('diff', night, '--last-release');
  second = await release();
  const { notes, announcement } = await texts(second);
  for (const text of [notes, announcement]) {
    expect(text).toContain(`since ${first.buildid}`);
    expect(text).toMatch(/curl.*\n(.*\n)*.*kernel/);
  }
});

test('a host booted from the release upgrades to the next one, signatures checked', async () => {
  const vm = await boot(downloaded, 'release');
  await check(vm, first);
  await guest(vm, 'sudo ostree remote list', `${REMOTE}\n`);
  await guest(vm, `cat /etc/ostree/remotes.d/${REMOTE}.conf`, 'gpg-verify=true\ngpg-verify-summary=true\n');
  const signature = join(story.dir, 'www/mirror/repo/summary.sig');
  await rename(signature, `${signature}.away`);
  // Whatever is not signed is not taken.
  await guest(vm, '! sudo ostree admin upgrade', 'no summary');
  await rename(`${signature}.away`, signature);
  await upgrade(vm, commitOf(second), testTask(story.dir));
  await reboot(vm, BOOT_SECONDS, testTask(story.dir));
  await check(vm, second);
  await guest(vm, `sudo ostree show --gpg-verify-remote=${REMOTE} ${second.ostreeCommit}`, 'Good signature');
});

test('a host of the nightly rebases to the release, and finds nothing newer', async () => {
  const [night] = await nights();
  if (!night) throw new Error('there is no night');
  const image = join(
    story.dir,
    'www/buildlogs/builds',
    night.buildid,
    'x86_64',
    night.images?.['generic-cloud']?.path ?? '',
  );
  const vm = await boot(image, 'nightly');
  await check(vm, night);
  // The guest has no rpm, so what docs/release-package.md tells to do there is done here, and its files are brought over.
  await guest(vm, `echo ${await releaseRemote()} | base64 -d | sudo tar -C / -xz`);
  await guest(vm, `sudo ostree admin switch ${REMOTE}:${RELEASE}`);
  await reboot(vm, BOOT_SECONDS, testTask(story.dir));
  await check(vm, second);
  // What was brought over counts as the tree's own, and the remote of the nightly went with its package.
  await guest(vm, 'test "$(ls /etc/ostree/remotes.d)" = lab-atomic-release.conf');
  await guest(vm, 'sudo ostree admin upgrade', 'No update available');
});

/** Approves and releases the newest build. @returns its record */
async function release(): Promise<BuildMeta> {
  const mail = await startMailSink();
  await story.configure({ images: [], smtpPort: mail.port });
  const { buildid: id } = await newestBuild();
  await must('approve', id, '--by', 'Jane Doe', '--note', 'it does what it should');
  expect(await must('release', id)).toContain(`${id} is released.`);
  expect(mail.lines.join('\n')).toContain(`Subject: lab-atomic-host ${id} released`);
  await must('list', '--stream', 'release');
  return newestBuild();
}

/** The published notes and announcement, kept and told; each names image, commit and key. */
async function texts({ buildid, images, ...meta }: BuildMeta): Promise<{ notes: string; announcement: string }> {
  const folder = join(story.dir, 'www/cloud/builds', buildid, 'x86_64/release');
  const read = async (name: string): Promise<string> => {
    await story.keep(join(folder, name), `${buildid}-${name}`);
    const text = await readFile(join(folder, name), 'utf8');
    await story.tell(`==== ${name}\n${text}====\n`);
    const [signer = 'a fingerprint'] = meta.signedBy ?? [];
    for (const word of [buildid, images?.['generic-cloud']?.sha256, signer, meta.ostreeCommit]) {
      expect(text).toContain(word);
    }
    return text;
  };
  const notes = await read('notes.md');
  expect(notes).toContain(`${story.sites.mirror.url}/rpms/release/${PACKAGES.release}-13-1.noarch.rpm`);
  return { notes, announcement: await read('announcement.txt') };
}

/** Boots an image; the guest reaches all web servers of the story. The machine ends with the test. */
async function boot(image: string, name: string): Promise<Vm> {
  expect(existsSync(image)).toBe(true);
  const { mirror, cloud, buildlogs } = story.sites;
  const reversePorts = [mirror.port, cloud.port, buildlogs.port];
  const serialLog = join(story.dir, `${name}.serial.log`);
  const task = { ...testTask(story.dir), say: (line: string) => void story.tell(`  ${name}: ${line}`) };
  const vm = await bootImage({ image, timeoutSeconds: BOOT_SECONDS, serialLog, firmware: 'bios', reversePorts }, task);
  onTestFinished(() => vm.stop());
  await story.tell(`${name}: ssh login succeeded after ${vm.bootSeconds.toFixed(0)} s`);
  return vm;
}

/** Files of the release package, which is fetched and verified with the public key alone: a compressed tar, in base64. */
async function releaseRemote(): Promise<string> {
  const here = join(story.dir, 'stranger/package');
  await mkdir(here);
  const rpm = `${PACKAGES.release}-13-1.noarch.rpm`;
  await fetchFile(`${story.sites.mirror.url}/rpms/release/${rpm}`, join(here, rpm), testTask(here));
  await run('rpmkeys', ['--dbpath', join(here, 'db'), '--import', key]);
  const { stdout } = await run('rpmkeys', ['--dbpath', join(here, 'db'), '--checksig', '--verbose', rpm], {
    cwd: here,
  });
  await story.tell(`$ rpmkeys --dbpath db --checksig --verbose ${rpm}\n${stdout}`);
  expect(stdout).toMatch(/Signature, key ID [0-9a-f]+: OK/);
  const shell = `rpm2cpio ${rpm} | cpio -idmu --quiet './etc/*' && tar -cz etc | base64 -w 0`;
  return (await run('sh', ['-c', shell], { cwd: here })).stdout.trim();
}

/** Runs a command in the guest, whose output must hold that. */
async function guest(vm: Vm, command: string, words = ''): Promise<void> {
  const { stdout, stderr } = await inGuest(vm, command, testTask(story.dir), { timeoutSeconds: BOOT_SECONDS });
  await story.tell(`[guest]$ ${command.replace(/\S{200,}/, '…')}\n${stdout}${stderr}`);
  expect(`${stdout}${stderr}`).toContain(words);
}

/** The guest is up, on that build. */
async function check(vm: Vm, meta: BuildMeta): Promise<void> {
  const expected = { ...commitOf(meta), allowDegraded: [], timeoutSeconds: BOOT_SECONDS };
  expect(await checkSystem(vm, expected, testTask(story.dir))).toMatchObject({ state: 'running' });
  await guest(vm, 'sudo ostree admin status; grep VERSION /etc/os-release; uname -r', meta.buildid);
}
