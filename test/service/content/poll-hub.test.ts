import { afterAll, expect, it } from 'vitest';
import { quietTask } from '../../../src/base/task.ts';
import { pollHub, type SeenByPoll } from '../../../src/service/content/poll-hub.ts';
import { contentWorld, RELEASE, TESTING } from '../../support/content-world.ts';
import { addBuild, blockPackage, setArches, tagBuild, untagBuild } from '../../support/koji-admin.ts';
import { sharedFolder } from '../../support/tmp.ts';

const { hub, config } = await contentWorld(sharedFolder());
afterAll(() => hub.close());

it('finds what was tagged and untagged, and what sends no message, each with a handful of calls', async () => {
  await hub.transaction((state) => {
    for (const name of ['ceph', 'tools']) {
      addBuild(state, { name, version: '1', release: '1' }, [{ name, arch: 'x86_64' }]);
    }
  });
  let before: SeenByPoll | undefined;
  const poll = async () => {
    hub.calls.length = 0;
    const { seen, changed } = await pollHub(config, before, quietTask());
    before = seen;
    expect(hub.calls.length).toBeLessThan(12);
    return changed;
  };
  await hub.transaction(async (state, say) => tagBuild(state, RELEASE, 'ceph-1-1', say));
  // Everything is compared at the start, so the first poll has nothing to say.
  expect(await poll()).toEqual([]);
  expect(await poll()).toEqual([]);
  await hub.transaction(async (state, say) => tagBuild(state, RELEASE, 'tools-1-1', say));
  expect(await poll()).toEqual([RELEASE]);
  expect(await poll()).toEqual([]);
  await hub.transaction(async (state, say) => untagBuild(state, RELEASE, 'tools-1-1', say));
  expect(await poll()).toEqual([RELEASE]);
  await hub.transaction((state) => {
    setArches(state, TESTING, 'x86_64 aarch64');
    blockPackage(state, TESTING, 'ceph');
  });
  expect(await poll()).toEqual([TESTING]);
});

it('C6: a hub that is away or answers something else is an error, and nothing is taken for unchanged', async () => {
  hub.mishaps.push('broken', 'broken', 'broken', 'broken');
  await expect(pollHub(config, { event: 1, rows: new Set() }, quietTask())).rejects.toMatchObject({
    code: 'koji-unreachable',
  });
  hub.mishaps.length = 0;
  hub.onCall = (method, value) => (method === 'queryHistory' ? { tag_listing: [{ x: 1 }] } : value);
  await expect(pollHub(config, { event: 1, rows: new Set() }, quietTask())).rejects.toMatchObject({ code: 'koji' });
  hub.onCall = undefined;
});
