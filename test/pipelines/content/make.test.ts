import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/base/files.ts';
import { readHistory } from '../../../src/content/tag-history.ts';
import { poolFolder, readTagState } from '../../../src/content/tag-state.ts';
import { signedPath, unsignedPath } from '../../../src/koji/koji-files.ts';
import { checkRpms } from '../../../src/rpm/check-signatures.ts';
import { signRpm } from '../../../src/rpm/signature/sign-rpm.ts';
import { signatureHeaderOf } from '../../../src/rpm/signature/signature-header.ts';
import { openSigner } from '../../../src/signing/open-signer.ts';
import type { Signer } from '../../../src/signing/signer.ts';
import { contentWorld, namedIn, RELEASE, TESTING } from '../../support/content-world.ts';
import { addTag, blockPackage, setArches, tagBuild, untagBuild } from '../../support/koji-admin.ts';
import { buildForKoji, importBuilds } from '../../support/koji-material.ts';
import { placeOf } from '../../support/koji-methods.ts';
import { makeFileKey } from '../../support/openpgp-key.ts';
import { sharedFolder, testTask } from '../../support/tmp.ts';
import { until } from '../../support/until.ts';

const dir = sharedFolder();
const world = await contentWorld(dir);
const { hub, key, config } = world;
afterAll(() => hub.close());
await importBuilds(hub, [
  await buildForKoji(join(dir, 'ceph'), 'ceph', { arches: ['x86_64', 'aarch64'] }),
  await buildForKoji(join(dir, 'tools'), 'tools'),
  await buildForKoji(join(dir, 'other'), 'other'),
]);
const CEPH = 'ceph-1.0-1.el8';
const TOOLS = 'tools-1.0-1.el8';
await hub.transaction(async (state, say) => {
  for (const tag of [RELEASE, TESTING]) await tagBuild(state, tag, CEPH, say);
});

beforeEach(() => {
  hub.calls.length = 0;
  hub.mishaps.length = 0;
  hub.onFile = undefined;
});

const repository = (id: string, tag = RELEASE) => world.file(tag, 'repositories', id);
const packagesIn = async (id: string, tag = RELEASE) => [...(await namedIn(repository(id, tag))).keys()].sort();
/** What koji has of a tag in signed copies, by file name. */
const signedCopies = () => {
  const { builds, rpms } = hub.state();
  const copies = [...rpms.values()].flatMap((rpm) => {
    const build = builds.get(rpm.buildId);
    const path = build && join(hub.topdir, signedPath(placeOf(build), rpm, key.fingerprint.slice(-8).toLowerCase()));
    return path && existsSync(path)
      ? [[path.slice(path.lastIndexOf('/') + 1), sha256(readFileSync(path))] as const]
      : [];
  });
  return new Map(copies);
};

describe('a release', () => {
  it("C1, C3, C8: each repository is the tag, signed, and each package byte for byte koji's signed copy", async () => {
    expect(await world.sync()).toMatchObject({ state: 'made', added: 6, removed: 0, blocked: [] });
    expect(await packagesIn('packages-x86_64')).toEqual([
      'Packages/c/ceph-1.0-1.el8.x86_64.rpm',
      'Packages/c/ceph-common-1.0-1.el8.noarch.rpm',
    ]);
    expect(await packagesIn('packages-aarch64')).toEqual([
      'Packages/c/ceph-1.0-1.el8.aarch64.rpm',
      'Packages/c/ceph-common-1.0-1.el8.noarch.rpm',
    ]);
    expect(await packagesIn('debuginfo-x86_64')).toEqual(['Packages/c/ceph-debuginfo-1.0-1.el8.x86_64.rpm']);
    expect(await packagesIn('source-source')).toEqual(['Packages/c/ceph-1.0-1.el8.src.rpm']);
    const copies = signedCopies();
    const files: string[] = [];
    for (const id of readdirSync(world.file(RELEASE, 'repositories')).filter((name) => !name.endsWith('.json'))) {
      for (const [path, digest] of await namedIn(repository(id))) {
        expect(digest).toBe(`sha256:${copies.get(path.slice(path.lastIndexOf('/') + 1))}`);
        files.push(join(repository(id), path));
      }
    }
    expect(files).toHaveLength(7);
    expect(await checkRpms(files, [readFileSync(key.publicKeyFile)], join(dir, 'keys'), testTask(dir))).toEqual([]);
    expect(existsSync(world.published)).toBe(false);
  });

  it('C10: who tagged it, at which event, by which key and which bytes is written down', async () => {
    const [entry, ...more] = await readHistory(world.file(RELEASE));
    expect(more).toEqual([]);
    expect(entry).toMatchObject({ tag: RELEASE, level: 'release', key: key.fingerprint, pushed: false });
    expect(entry?.added).toHaveLength(6);
    const copies = signedCopies();
    for (const added of entry?.added ?? []) {
      expect(added).toMatchObject({ by: 'alice', event: expect.any(Number), sha256: copies.get(added.file) });
    }
    expect(entry?.repositories.map(({ folder }) => folder)).toContain('SIGs/8/storage/x86_64/ceph');
  });

  it('C7: again it is unchanged: nothing is signed, fetched or given to koji', async () => {
    expect(await world.sync()).toMatchObject({ state: 'unchanged', lines: expect.not.arrayContaining(['sign']) });
    expect(hub.calls).not.toContain('sslLogin');
  });

  it('C1: what is tagged is added, what is untagged, blocked or of an architecture that is gone leaves', async () => {
    await hub.transaction((state, say) => tagBuild(state, RELEASE, TOOLS, say, 'bob'));
    expect(await world.sync()).toMatchObject({ state: 'made', added: 4, removed: 0 });
    expect(await packagesIn('packages-aarch64')).toContain('Packages/t/tools-common-1.0-1.el8.noarch.rpm');
    await hub.transaction((state) => blockPackage(state, RELEASE, 'tools'));
    expect(await world.sync()).toMatchObject({ added: 0, removed: 4 });
    await hub.transaction((state) => setArches(state, RELEASE, 'x86_64'));
    expect(await world.sync()).toMatchObject({ added: 0, removed: 2 });
    expect(await packagesIn('packages-x86_64')).toHaveLength(2);
    expect([await packagesIn('packages-aarch64'), await packagesIn('debuginfo-aarch64')]).toEqual([[], []]);
    const [, tools, blocked] = await readHistory(world.file(RELEASE));
    expect(tools?.added.map(({ by }) => by)).toEqual(Array(4).fill('bob'));
    expect(blocked?.removed[0]).not.toHaveProperty('by');
  });

  it('C6: the last build untagged makes empty signed repositories; a hub that fails meanwhile changes nothing', async () => {
    await hub.transaction((state, say) => untagBuild(state, RELEASE, CEPH, say, 'carol'));
    hub.onCall = (name, value) => (name === 'listTaggedRPMS' ? [[], [{}]] : value);
    await expect(world.sync()).rejects.toMatchObject({ code: 'koji' });
    hub.onCall = () => {
      throw new Error('the database is gone');
    };
    await expect(world.sync()).rejects.toMatchObject({ code: 'koji' });
    hub.onCall = undefined;
    expect(await packagesIn('packages-x86_64')).toHaveLength(2);
    expect(await world.sync()).toMatchObject({ state: 'made', removed: 4 });
    expect(await packagesIn('packages-x86_64')).toEqual([]);
    expect(existsSync(join(repository('packages-x86_64'), 'repodata/repomd.xml.asc'))).toBe(true);
    expect((await readHistory(world.file(RELEASE))).at(-1)?.removed[0]).toMatchObject({ by: 'carol' });
  });

  it('C8: a signature that another signer gave koji first is taken, and its copy published', async () => {
    const before = signedCopies();
    rmSync(poolFolder(config.work), { recursive: true });
    await hub.transaction((state, say) => tagBuild(state, RELEASE, CEPH, say));
    await world.sync();
    expect(hub.calls).not.toContain('addRPMSig');
    for (const [path, digest] of await namedIn(repository('packages-x86_64'))) {
      expect(digest).toBe(`sha256:${before.get(path.slice(path.lastIndexOf('/') + 1))}`);
    }
  });
});

describe('testing', () => {
  it('packages are as koji built them; the metadata is signed; koji is given nothing', async () => {
    expect(await world.sync(TESTING)).toMatchObject({ state: 'made', added: 2 });
    expect(hub.calls).not.toContain('sslLogin');
    const [path = ''] = await packagesIn('packages-x86_64', TESTING);
    const faults = await checkRpms(
      [join(repository('packages-x86_64', TESTING), path)],
      [readFileSync(key.publicKeyFile)],
      join(dir, 'keys'),
      testTask(dir),
    );
    expect(faults).toMatchObject([{ kind: 'unsigned' }]);
    expect(readdirSync(world.file(TESTING, 'repositories')).sort()).toEqual([
      'packages-x86_64',
      'packages-x86_64.json',
    ]);
    expect(existsSync(join(repository('packages-x86_64', TESTING), 'repodata/repomd.xml.asc'))).toBe(true);
  });
});

describe('what is wrong stops its tag before anything is made of it', () => {
  const OTHER = 'other-1.0-1.el8';
  it.each([
    ['missing', 'HTTP 404'],
    ['broken', 'is not an RPM'],
  ] as const)('a file that is %s in koji', async (mishap, why) => {
    await hub.transaction((state, say) => tagBuild(state, RELEASE, OTHER, say).catch(() => undefined));
    hub.onFile = (path) => (path.endsWith('/other-1.0-1.el8.x86_64.rpm') ? mishap : undefined);
    const before = await readTagState(world.file(RELEASE));
    await expect(world.sync()).rejects.toMatchObject({
      code: 'package-missing',
      message: expect.stringMatching(new RegExp(`other-1.0-1.el8.x86_64.rpm: .*${why}`)),
    });
    expect(await readTagState(world.file(RELEASE))).toEqual(before);
  });

  it('a file whose MD5 is not what koji says', async () => {
    hub.onFile = undefined;
    hub.onCall = (name, value) =>
      name === 'listTaggedRPMS'
        ? JSON.parse(JSON.stringify(value).replaceAll(/"payloadhash":"[^"]{4}/g, '"payloadhash":"0000'))
        : value;
    await expect(world.sync()).rejects.toThrow(/have the MD5 \w+, koji says 0000/);
    hub.onCall = undefined;
  });

  it("C3: a signature in koji under the key's id that another key made", async () => {
    const stranger = await makeFileKey(dir, { name: 'stranger' });
    await signInKoji(openSigner(stranger), 'other');
    const before = await readTagState(world.file(RELEASE));
    await expect(world.sync()).rejects.toMatchObject({
      code: 'verify',
      message: expect.stringContaining('other-1.0-1.el8.x86_64.rpm: '),
    });
    expect(await readTagState(world.file(RELEASE))).toEqual(before);
    await forgetSignatures('other');
    rmSync(world.file(RELEASE, 'signing'), { recursive: true });
  });
});

describe('a hub that is down for maintenance', () => {
  it('C6: is waited for, before and while a tag is read: ten minutes are 30 looks at it, and none of them a failure', async () => {
    await hub.transaction((state, say) => tagBuild(state, TESTING, 'tools-1.0-1.el8', say));
    const minutes = Array<'offline'>(30).fill('offline');
    hub.mishaps.push(...minutes);
    let during = false;
    hub.onCall = (name, value) => {
      if (name === 'getBuildConfig' && !during) hub.mishaps.push(...minutes);
      during ||= name === 'getBuildConfig';
      return value;
    };
    expect(await world.sync(TESTING)).toMatchObject({ state: 'made', added: 2 });
    expect([during, hub.mishaps]).toEqual([true, []]);
    hub.onCall = undefined;
  });
});

describe('a key that hosts of the release refuse', () => {
  it('C3: signs nothing of the tag, and nothing is given to koji', async () => {
    await hub.transaction((state) => {
      addTag(state, 'storage7-old-release');
    });
    await expect(world.sync('storage7-old-release')).rejects.toMatchObject({
      code: 'signing',
      message: expect.stringContaining('content.keys.storage cannot sign for release 7: Hosts of release 7 verify RSA'),
    });
    expect(hub.calls).not.toContain('sslLogin');
  });
});

describe('two signers', () => {
  it('C7, C8: who comes second takes the copy that koji has, and gives koji no second signature', async () => {
    hub.users.set('127.0.0.1', { id: 2, name: 'signer', permissions: [] });
    await expect(world.sync()).rejects.toMatchObject({
      code: 'koji',
      message: expect.stringContaining('sign permission required'),
    });
    hub.users.set('127.0.0.1', { id: 2, name: 'signer', permissions: ['sign'] });
    // What was signed here is still here; another machine with the same key is faster.
    const made = readdirSync(world.file(RELEASE, 'signing', key.fingerprint, 'made')).filter((name) =>
      name.endsWith('.rpm'),
    );
    expect(made.length).toBeGreaterThan(0);
    // A signature has the second in it: within one, the other machine would make the same.
    const signedAt = Math.floor(Date.now() / 1000);
    await until(async () => Math.floor(Date.now() / 1000) > signedAt);
    await signInKoji(openSigner({ ...key, type: 'openpgp' }), 'other');
    expect((await world.sync()).lines.join('\n')).toMatch(/other-1.0-1.el8.x86_64.rpm: koji has an earlier signature/);
    const copies = signedCopies();
    for (const [path, digest] of await namedIn(repository('packages-x86_64'))) {
      expect(digest).toBe(`sha256:${copies.get(path.slice(path.lastIndexOf('/') + 1))}`);
    }
  });
});

describe('signatures that koji has lost', () => {
  it('C7, C8: are given to it again as they were published, and nothing is signed', async () => {
    // The tag no longer has the other architecture.
    const before = new Map([...signedCopies()].filter(([name]) => !name.includes('aarch64')));
    await forgetSignatures('ceph');
    await world.sync();
    expect(hub.calls).toContain('addRPMSig');
    expect(signedCopies()).toEqual(before);
    expect(await world.sync()).toMatchObject({ state: 'unchanged' });
  });
});

/** Deletes the signatures of a build, as an administrator does, with the signed copies. */
async function forgetSignatures(name: string): Promise<void> {
  await hub.transaction((state) => {
    const ids = [...state.rpms.values()]
      .filter(({ buildId }) => state.build(buildId).name === name)
      .map(({ id }) => String(id));
    state.signatures = new Map([...state.signatures].filter(([id]) => !ids.includes(id.split('/')[0] ?? '')));
    rmSync(join(hub.topdir, `packages/${name}/1.0/1.el8/data`), { recursive: true, force: true });
  });
}

/** Signs all RPMs of a build for koji by another machine, which files the signature under the id of the key of the SIG. */
async function signInKoji(signer: Signer, name: string): Promise<void> {
  const task = testTask(dir);
  const id = key.fingerprint.slice(-8).toLowerCase();
  await hub.transaction(async (state) => {
    for (const rpm of state.rpms.values()) {
      const build = state.build(rpm.buildId);
      if (build.name !== name) continue;
      const copy = join(dir, 'elsewhere.rpm');
      copyFileSync(join(hub.topdir, unsignedPath(placeOf(build), rpm)), copy);
      await signRpm(copy, (data) => signer.sign(data, task));
      state.signatures.set(`${rpm.id}/${id}`, await signatureHeaderOf(copy));
    }
  });
}
