import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { planContent } from '../../src/content/content-plan.ts';
import { type Snapshot, type SnapshotRpm, takeSnapshot } from '../../src/content/snapshot.ts';
import { lastEvent } from '../../src/koji/hub-queries.ts';
import { rpmFileName } from '../../src/koji/koji-files.ts';
import { openHub } from '../../src/koji/open-hub.ts';
import { addBuild, addTag, blockPackage, setArches, tagBuild, untagBuild } from '../support/koji-admin.ts';
import { startKojiHub } from '../support/koji-hub.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';

const KEY = 'bfcdd224';
const PLACE = { target: 'mirror', path: 'x/<arch>' };
const OPTIONS = {
  assigned: { level: 'release', debuginfo: PLACE, source: PLACE },
  ...{ key: KEY, published: [], removalLimit: 30, acceptRemovals: false },
} as const;

const rpmOf = (name: string, arch = 'x86_64', more: Partial<SnapshotRpm> = {}): SnapshotRpm => {
  const place = { name, version: '1', release: '1', arch };
  const build = {
    ...{ id: 1, nvr: `${name}-1-1`, name, version: '1', release: '1', epoch: null, volume_name: 'DEFAULT', state: 1 },
    ...{ tag_name: 't', owner_name: 'alice', create_event: 1, draft: false },
  };
  const plain = {
    id: id(name + arch),
    epoch: null,
    build_id: 1,
    size: 1,
    payloadhash: `${name}.${arch}`,
    buildtime: 1,
  };
  return { ...place, ...plain, metadata_only: false, draft: false, file: rpmFileName(place), build, keys: [], ...more };
};
const ids: string[] = [];
const id = (name: string): number => {
  if (!ids.includes(name)) ids.push(name);
  return ids.indexOf(name);
};

const snapshot = (rpms: readonly SnapshotRpm[], arches = ['x86_64', 'aarch64']): Snapshot => ({
  ...{ tag: 't', tagId: 1, event: { id: 9, ts: 9 }, since: 0, arches, rpms },
  builds: rpms.slice(0, 1).map(({ build }) => build),
});

const published = (rpms: readonly SnapshotRpm[]) => rpms.map(({ file, payloadhash }) => ({ file, payloadhash }));
const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}$/), { maxLength: 60 });

describe('a plan', () => {
  it('C1: after it, the repositories have what the tag has, whatever they had before', () => {
    fc.assert(
      fc.property(names, names, (now, before) => {
        const wanted = now.map((name) => rpmOf(name));
        const had = published(before.map((name) => rpmOf(name)));
        const plan = planContent(snapshot(wanted), { ...OPTIONS, published: had, acceptRemovals: true });
        const after = new Set(
          [...had.map(({ file }) => file), ...plan.add].filter((file) => !plan.remove.includes(file)),
        );
        expect([...after].sort()).toEqual(wanted.map(({ file }) => file).sort());
        expect(plan.refused).toBe(undefined);
        // Done once, there is nothing to do.
        const again = planContent(snapshot(wanted), { ...OPTIONS, published: published(wanted) });
        expect([again.add, again.remove, again.refused]).toEqual([[], [], undefined]);
      }),
    );
  });

  it('C6: more than the limit is not removed without being confirmed', () => {
    fc.assert(
      fc.property(fc.nat(100), fc.integer({ min: 1, max: 100 }), fc.nat(100), (left, had, removalLimit) => {
        const all = Array.from({ length: had }, (_, at) => rpmOf(`p${at}`));
        const options = { ...OPTIONS, published: published(all), removalLimit };
        const { refused, remove } = planContent(snapshot(all.slice(0, left)), options);
        expect(refused !== undefined).toBe(remove.length > 20 && (remove.length / had) * 100 > removalLimit);
        expect(planContent(snapshot(all.slice(0, left)), { ...options, acceptRemovals: true }).refused).toBe(undefined);
      }),
    );
  });

  it('a package that was built again under its name is added again', () => {
    const [before, after] = [rpmOf('a'), rpmOf('a', 'x86_64', { payloadhash: 'other' })];
    expect(planContent(snapshot([after]), { ...OPTIONS, published: published([before]) })).toMatchObject({
      ...{ add: ['a-1-1.x86_64.rpm'], remove: [] },
    });
  });

  it('C3: what koji has no signature of this very key of is signed, in a release alone', () => {
    const rpms = [
      rpmOf('a', 'x86_64', { keys: [KEY] }),
      rpmOf('b', 'src', { keys: ['deadbeef'] }),
      rpmOf('c', 'noarch'),
    ];
    expect(planContent(snapshot(rpms), OPTIONS).sign.map(({ name }) => name)).toEqual(['b', 'c']);
    const assigned = { ...OPTIONS.assigned, level: 'testing' } as const;
    expect(planContent(snapshot(rpms), { ...OPTIONS, assigned }).sign).toEqual([]);
  });

  it('what cannot be published is told with its reason; what the rule leaves out is not', () => {
    const build = rpmOf('a').build;
    const rpms = [
      rpmOf('draft', 'x86_64', { build: { ...build, draft: true } }),
      rpmOf('failed', 'x86_64', { build: { ...build, state: 3 } }),
      rpmOf('container', 'x86_64', { metadata_only: true }),
      rpmOf('twice'),
      rpmOf('twice', 'x86_64', { id: 999 }),
      ...[rpmOf('a', 'i686'), rpmOf('a', 's390x'), rpmOf('a', 'src'), rpmOf('a-debuginfo'), rpmOf('a')],
    ];
    const assigned = { level: 'testing', debuginfo: undefined, source: undefined } as const;
    const plan = planContent(snapshot(rpms), { ...OPTIONS, assigned });
    expect(plan.wanted.map(({ file }) => file)).toEqual(['a-1-1.x86_64.rpm']);
    expect(plan.blocked).toEqual([
      { file: 'draft-1-1.x86_64.rpm', why: 'its build is a draft' },
      { file: 'failed-1-1.x86_64.rpm', why: 'its build is not complete' },
      { file: 'container-1-1.x86_64.rpm', why: 'koji has no file of it, only what is known about it' },
      ...Array(2).fill({ file: 'twice-1-1.x86_64.rpm', why: 'the tag has two packages of that name' }),
    ]);
    expect(planContent(snapshot(rpms, ['i386']), OPTIONS).wanted.map(({ arch }) => arch)).toEqual(['i686', 'src']);
  });

  it('a tag with builds and without architectures is refused', () => {
    expect(planContent(snapshot([rpmOf('a')], []), OPTIONS).refused).toContain('has no architectures in koji');
    expect(planContent(snapshot([], []), OPTIONS).refused).toBe(undefined);
  });
});

describe('a snapshot', async () => {
  const dir = sharedFolder();
  const hub = await startKojiHub({ topdir: join(dir, 'top') });
  afterAll(() => hub.close());
  const patience = { retryMs: 1, tries: 3, offlineMs: 1, mostOfflineMs: 60_000 };
  const client = openHub({ server: hub.server, connection: {}, patience }, testTask(dir));
  const take = async (tag = 't-release') => takeSnapshot(client, tag, await client.call(lastEvent()));
  await hub.transaction(async (state, say) => {
    addTag(state, 't-release', 'x86_64 aarch64');
    for (const name of ['a', 'b']) {
      addBuild(state, { name, version: '1', release: '1' }, [
        { name, arch: 'src' },
        { name, arch: 'x86_64' },
      ]);
    }
    state.signatures.set(`2/${KEY}`, Buffer.from('x'));
    await tagBuild(state, 't-release', 'a-1-1', say);
  });

  it('C1: has what the tag had at its event, each package once with all its signatures', async () => {
    const event = await client.call(lastEvent());
    await hub.transaction(async (state, say) => {
      await tagBuild(state, 't-release', 'b-1-1', say);
      await untagBuild(state, 't-release', 'a-1-1', say);
      setArches(state, 't-release', 'x86_64');
    });
    const before = await takeSnapshot(client, 't-release', event);
    expect(before.rpms).toMatchObject([
      { file: 'a-1-1.src.rpm', keys: [] },
      { file: 'a-1-1.x86_64.rpm', keys: [KEY] },
    ]);
    expect(before.arches).toEqual(['x86_64', 'aarch64']);
    const after = await take();
    expect([after.rpms.map(({ name }) => name), after.arches]).toEqual([['b', 'b'], ['x86_64']]);
  });

  it('a blocked package is no longer there; an empty tag is empty because the hub says so', async () => {
    await hub.transaction((state) => blockPackage(state, 't-release', 'b'));
    expect(await take()).toMatchObject({ builds: [], rpms: [], arches: ['x86_64'] });
  });

  it('C6: a tag that is gone, a hub that fails and answers that contradict each other remove nothing', async () => {
    await expect(take('gone')).rejects.toMatchObject({ code: 'koji' });
    hub.mishaps.push(...Array<number>(20).fill(503));
    await expect(take()).rejects.toMatchObject({ code: 'koji-unreachable' });
    hub.mishaps.length = 0;
    await hub.transaction((state) => {
      state.blocks = [];
    });
    hub.onCall = (name, value) => (name === 'listTaggedRPMS' ? [[], []] : value);
    await expect(take()).rejects.toThrow('it lists the builds none in one answer, 2 in another');
    hub.onCall = (name, value) => (name === 'getBuildConfig' ? null : value);
    await expect(take()).rejects.toThrow('there was no such tag then');
    hub.onCall = (name, value) => (name === 'listTaggedRPMS' && Array.isArray(value) ? [value[0], []] : value);
    await expect(take()).rejects.toMatchObject({ code: 'koji' });
    hub.onCall = undefined;
    expect((await take()).rpms).toHaveLength(2);
  });
});
