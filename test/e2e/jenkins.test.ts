import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { overSsh } from '../support/agents.ts';
import { JENKINS, type JenkinsResult, makeJenkinsAgent, runJob, whyNoGroovy } from '../support/jenkins.ts';
import { makeFileKey, PASSPHRASE } from '../support/openpgp-key.ts';
import { makeReleaseWorld } from '../support/release-world.ts';
import { signedFiles } from '../support/signed-files.ts';
import { startSshd } from '../support/sshd.ts';
import { standInGuest } from '../support/stand-in-guest.ts';
import { temporaryFolder } from '../support/tmp.ts';

const program = new URL('../../bin/atomic-nightly.js', import.meta.url).pathname;
const TYPES = ['generic-cloud', 'vagrant-libvirt'];
const HOSTILE = `"cycle 12"; touch pwned; $(touch pwned) \`touch pwned\` '`;

describe.skipIf(whyNoGroovy())('the pipelines on two agents with nothing between them but an ssh target', () => {
  it('a night, its images on both agents, a promotion, somebody who says yes, and the release', async () => {
    const dir = temporaryFolder();
    const key = await makeFileKey(dir);
    const sshd = await startSshd(join(dir, 'sshd'));
    await mkdir(join(dir, 'world'));
    // As docs/jenkins.md says: secrets where the pipelines put them.
    const signing =
      'signing: {type: openpgp, key-file: credentials/signing.key, passphrase-env: ATOMIC_SIGNING_PASSPHRASE}';
    const world = await makeReleaseWorld(join(dir, 'world'), {
      images: TYPES,
      target: overSsh({ ...sshd, identityFile: 'credentials/target.key' }),
      stream: [signing],
      targets: ['mirror', 'cloud'],
      release: [
        ...[signing, 'images: [vagrant-libvirt]', 'smoke-test: {images: [vagrant-libvirt], timeout: 60}'],
        ...['approvals: 1', 'release: {tree: [mirror], images: [cloud]}'],
      ],
    });
    onTestFinished(() => world.stop());
    const repository = join(dir, 'repository');
    await mkdir(repository);
    await cp(JENKINS, join(repository, 'jenkins'), { recursive: true });
    await cp(join(world.dir, 'image-types'), join(repository, 'image-types'), { recursive: true });
    const config = (await readFile(world.config, 'utf8')).replace('work: ./work', 'work: /var/lib/atomic-nightly');
    await writeFile(join(repository, basename(world.config)), config);
    const bin = join(dir, 'bin');
    await mkdir(bin);
    await writeFile(join(bin, 'atomic-nightly'), `#!/bin/sh\nexec ${process.execPath} ${program} "$@"\n`);
    await chmod(join(bin, 'atomic-nightly'), 0o755);
    const guest = await standInGuest(dir, join(dir, 'one/work'));
    const agents = [
      await makeJenkinsAgent(dir, 'one', ['atomic', 'atomic-tree', 'x86_64'], `${bin}:${guest}`),
      await makeJenkinsAgent(dir, 'two', ['atomic', 'x86_64'], bin),
    ];
    const setup = {
      ...{ repository, agents },
      credentials: {
        'atomic-signing-key': await readFile(key.keyFile, 'utf8'),
        'atomic-signing-passphrase': PASSPHRASE,
        'atomic-target-key': await readFile(sshd.identityFile, 'utf8'),
      },
    };
    const logs: string[] = [];
    const job = async (...how: Parameters<typeof runJob> extends [unknown, unknown, ...infer Rest] ? Rest : never) => {
      const result: JenkinsResult = await runJob(dir, setup, ...how);
      logs.push(result.log);
      return result;
    };
    const builds = join(dir, 'one/work/builds');
    const journalHas = (step: string) => () => {
      const id = (existsSync(builds) ? readdirSync(builds).sort() : []).at(-1) ?? '';
      const journal = join(builds, id, 'x86_64/journal.ndjson');
      return existsSync(journal) && readFileSync(journal, 'utf8').includes(`"event":"start","step":"${step}"`);
    };

    // The controller's agent is lost while the tree is composed; the job, started again, goes on with that build.
    const lost = await job('atomic-nightly', {}, journalHas('compose'));
    expect(lost.runs, lost.log).toEqual([]);
    const [build = ''] = await readdir(builds);
    const night = await job('atomic-nightly', {});
    expect(night.log).toMatch(/resolve: done in an earlier attempt/);
    expect(
      night.runs.map(({ job: name, result }) => [name, result]),
      night.log,
    ).toEqual([
      ['atomic-nightly', 'SUCCESS'],
      ['atomic-images', 'SUCCESS'],
      ['atomic-images', 'SUCCESS'],
    ]);
    expect(await readdir(builds)).toEqual([build]);
    const folder = join(world.published, 'builds', build, 'x86_64');
    const meta = JSON.parse(await readFile(join(folder, 'meta.json'), 'utf8'));
    expect(meta).toMatchObject({ 'atomic-nightly.state': 'complete', 'atomic-nightly.pending-images': [] });
    expect(Object.keys(meta.images)).toEqual(TYPES);
    await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder });
    // The tree's machine knows of it, too.
    expect(JSON.parse(await readFile(join(builds, build, 'x86_64/meta.json'), 'utf8'))).toMatchObject({
      'atomic-nightly.state': 'complete',
      images: meta.images,
    });
    // One image with its signature on each.
    for (const agent of ['one', 'two'])
      expect(await readdir(join(dir, agent, 'work/builds', build, 'x86_64/images'))).toHaveLength(2);
    for (const { artifacts, reports } of night.runs) {
      expect(artifacts).toContain(`records/${build}/x86_64/meta.json`);
      expect(artifacts.filter((path) => path.includes('/images/'))).toEqual([]);
      expect(reports).toMatchObject([{ failures: 0 }]);
      expect(reports[0]?.tests).toBeGreaterThan(2);
    }
    const reports = `workspace/atomic-nightly/reports/${build}.xml`;
    const grammar = new URL('../jenkins/junit.rng', import.meta.url).pathname;
    await run('xmllint', ['--noout', '--relaxng', grammar, join(dir, 'one', reports)]);

    // A second night finds nothing to do.
    const unchanged = await job('atomic-nightly', {});
    expect(unchanged.runs).toMatchObject([{ job: 'atomic-nightly', result: 'NOT_BUILT', description: 'unchanged' }]);

    // The agent is lost again; the promotion goes on. Nobody says yes: nothing is released. Then somebody does.
    const asked = { BUILD: build, REASON: HOSTILE };
    expect((await job('atomic-promote', asked, journalHas('commit'))).runs).toEqual([]);
    const begun = (await readdir(builds)).toSorted().at(-1);
    const refused = await job('atomic-promote', asked);
    expect(refused.runs).toMatchObject([{ result: 'FAILURE', description: `${build} as ${begun}` }]);
    expect(refused.log).toContain('nobody approved');
    const latest = join(world.published, 'cloud/streams/release/latest.json');
    expect(existsSync(latest)).toBe(false);
    Object.assign(setup, { input: { APPROVER: 'Jane "J." Doe', NOTE: '$HOME' } });
    const promoted = await job('atomic-promote', asked);
    expect(promoted.runs, promoted.log).toMatchObject([{ result: 'SUCCESS' }]);
    const released = JSON.parse(await readFile(latest, 'utf8')).arches.x86_64.build as string;
    expect(promoted.runs[0]?.description).toBe(`${build} as ${released}`);
    const record = JSON.parse(await readFile(join(builds, released, 'x86_64/meta.json'), 'utf8'));
    expect(record).toMatchObject({
      'atomic-nightly.promotion': { of: build, reason: HOSTILE },
      'atomic-nightly.approvals': [{ by: 'Jane "J." Doe', note: '$HOME' }],
    });
    // A release never changes, whoever asks.
    const frozen = await job('atomic-images', { BUILD: released, TYPES: 'vagrant-libvirt' });
    expect(frozen.runs).toMatchObject([{ result: 'FAILURE' }]);
    expect(frozen.log).toContain('never changes any more');

    const { bad } = await signedFiles(world, dir, key.publicKeyFile);
    expect(bad.filter((path) => path.startsWith(`builds/${build}/`))).toEqual([]);
    expect((await run('find', [dir, '-name', 'pwned'])).stdout).toBe('');
    // I11: secrets were bound for every command, and are in no log, record or image.
    const secret = (await readFile(key.keyFile, 'utf8')).split('\n')[3] ?? 'none';
    for (const planted of [PASSPHRASE, secret]) {
      expect(logs.join('')).not.toContain(planted);
      const places = ['one', 'two', 'world'].map((name) => join(dir, name));
      expect((await run('grep', ['-rlF', planted, ...places], { okExitCodes: [0, 1] })).stdout).toBe('');
    }
  }, 900_000);
});
