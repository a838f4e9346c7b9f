import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { everyCase } from '../support/every-case.ts';
import { addMirror, keepLog } from '../support/logged-world.ts';
import { makeFileKey } from '../support/openpgp-key.ts';
import { sharedRadosgw, whyNoRadosgw } from '../support/radosgw.ts';
import { startRsyncd } from '../support/rsyncd.ts';
import { makeBucket } from '../support/s3-bucket.ts';
import { expectSilence } from '../support/silence.ts';
import { startSshd } from '../support/sshd.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, type World } from '../support/world.ts';

/** Targets of every kind beside the world's own folder, as lines of its configuration. */
async function targetsOf({ dir, published, url }: World): Promise<Record<string, string>> {
  const daemon = await startRsyncd(join(dir, 'rsyncd'), join(published, 'daemon'));
  const sshd = await startSshd(join(dir, 'sshd'));
  const ssh = `ssh: {port: ${sshd.port}, identity-file: ${sshd.identityFile}, known-hosts-file: ${sshd.knownHostsFile}}`;
  const targets: Record<string, string> = {
    daemon: `{type: rsync, destination: '${daemon.destination}', password-file: ${daemon.passwordFile}, url: '${url}/daemon'}`,
    far: `{type: ssh, destination: 'root@127.0.0.1:${published}/far', ${ssh}, url: '${url}/far'}`,
  };
  if (whyNoRadosgw() !== undefined) return targets;
  const { config } = await makeBucket(await sharedRadosgw());
  const { bucket, prefix, endpoint, region } = config;
  const place = `bucket: ${bucket}, prefix: ${prefix}, endpoint: '${endpoint}', region: ${region}`;
  return { ...targets, bucket: `{type: s3, ${place}, url: '${config.url}'}` };
}

it.each(everyCase ? ['unsigned', 'signed'] : ['signed'])(
  'after a good night there is nothing to do, on every kind of target where it is signed: %s',
  async (how) => {
    const dir = temporaryFolder();
    const key = await makeFileKey(dir);
    const signing = `signing: {type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}`;
    const stream = ['deltas: [scratch]', ...(how === 'signed' ? [signing] : [])];
    await mkdir(join(dir, 'world'));
    const world = await makeWorld(join(dir, 'world'), { stream });
    onTestFinished(() => world.stop());
    const targets = how === 'signed' ? await targetsOf(world) : {};
    const config = await readFile(world.config, 'utf8');
    const lines = Object.entries(targets).map(([name, target]) => `  ${name}: ${target}\n`);
    await writeFile(
      world.config,
      config
        .replace('streams:', `${lines.join('')}streams:`)
        .replace('[buildlogs]', `[${['buildlogs', ...Object.keys(targets)].join(', ')}]`),
    );
    const first = await world.nightly('nightly', '--json');
    expect(first, first.stderr).toMatchObject({ code: 0 });
    await expectSilence(world);
    // Done again: still nothing.
    expect(await world.nightly('publish', JSON.parse(first.stdout).build)).toMatchObject({ code: 0 });
    await expectSilence(world);
  },
  480_000,
);

it('I14: a target that a signed, logged stream gets later is published to, and nothing is left to repair anywhere', async () => {
  const dir = temporaryFolder();
  const key = await makeFileKey(dir);
  const signing = `signing: {type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}`;
  await mkdir(join(dir, 'world'));
  const world = await makeWorld(join(dir, 'world'), { stream: [signing] });
  onTestFinished(() => world.stop());
  const vkey = await keepLog(world);
  const first = await world.nightly('nightly', '--json');
  expect(first, first.stderr).toMatchObject({ code: 0 });
  const { build: id } = JSON.parse(first.stdout);
  await addMirror(world);
  const published = await world.nightly('publish', 'latest');
  expect(published, published.stderr).toMatchObject({ code: 0 });
  await expectSilence(world);
  for (const place of [world.published, join(world.published, 'mirror')]) {
    const page = await readFile(join(place, `builds/${id}/x86_64/index.html`), 'utf8');
    expect(page).toContain('buildlogs, mirror');
  }
  for (const url of [world.url, `${world.url}/mirror`]) {
    const audit = await world.nightly('audit', url, '--log-key', vkey, '--state', join(dir, basename(url)));
    expect(audit, audit.stdout + audit.stderr).toMatchObject({ code: 0 });
  }
});
