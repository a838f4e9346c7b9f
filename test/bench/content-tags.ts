import { mkdir } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { quietTask } from '../../src/base/task.ts';
import { readHubMessage } from '../../src/content/hub-message.ts';
import { run } from '../../src/programs/exec.ts';
import { rpmSign } from '../../src/programs/rpmbuild.ts';
import { type ContentService, startContent } from '../../src/service/content/content-service.ts';
import { pollHub } from '../../src/service/content/poll-hub.ts';
import { runSync } from '../../src/service/content/run-sync.ts';
import { type ContentBench, copyBuild, manyBuilds, startContentBench } from '../support/content-bench.ts';
import { namedIn } from '../support/content-world.ts';
import { addTag, tagBuild } from '../support/koji-admin.ts';
import { importBuilds, type MadeBuild } from '../support/koji-material.ts';
import { until } from '../support/until.ts';

const TAG = 'storage8-ceph-release';
const PLACES = ['SIGs/8/storage/x86_64/ceph', 'debug/8/storage/x86_64/ceph', 'source/8/storage/ceph'] as const;
const BUILDS = Number(process.env['BENCH_BUILDS'] ?? 300);
const RPMS = 5;
/** The messages come that long before the hub commits; a real one took 55 s. */
const HELD_MS = 5000;
const PROGRAM = join(import.meta.dirname, '../../bin/atomic-nightly.js');

const seconds = (since: number): number => (performance.now() - since) / 1000;

/**
 * 300 builds with 1,500 RPMs that one multicall tags, whose messages come before the hub commits: what the service does about them,
 * beside somebody who signs, indexes and sends all of them, one build after another. BENCH_BUILDS=N takes another number of builds.
 */
export async function buildsTaggedTogether(dir: string): Promise<void> {
  let service: ContentService | undefined;
  const bench = await startContentBench(dir, {
    push: true,
    async publish(payload) {
      const message = readHubMessage(Buffer.from(payload));
      if ('tag' in message) service?.heard(message.tag);
    },
  });
  try {
    const { hub, config, published } = bench;
    const builds = await manyBuilds(join(dir, 'builds'), BUILDS);
    await importBuilds(hub, builds);
    await hub.transaction((state) => void addTag(state, TAG));
    // Each sync is a process of the program as it was built.
    process.execArgv.length = 0;
    process.argv[1] = PROGRAM;
    const publications: { readonly took: number; readonly at: number }[] = [];
    service = startContent(config, console.log, {
      async sync(...of) {
        const begun = performance.now();
        const outcomes = await runSync(...of);
        if (outcomes.some(({ state }) => state === 'published'))
          publications.push({ took: seconds(begun), at: performance.now() });
        return outcomes;
      },
      poll: pollHub,
      onPublished: () => undefined,
    });
    const running = service;
    if (!running) throw new Error('the configuration has content');
    await until(() => running.status().comparedAt !== undefined && running.status().tags.length === 0);
    // The empty tag, when the service began.
    publications.length = 0;
    hub.requests.length = 0;
    await hub.transaction(async (state, say) => {
      for (const { name, version, release } of builds) await tagBuild(state, TAG, `${name}-${version}-${release}`, say);
    }, HELD_MS);
    const committed = performance.now();
    await until(() => publications.length > 0 && running.status().tags.length === 0, 900);
    await running.drain();
    const named = await Promise.all(PLACES.map(async (place) => (await namedIn(join(published, place))).size));
    if (named.join() !== [3 * BUILDS, BUILDS, BUILDS].join()) throw new Error(`published were ${named.join()}`);
    const load = loadavg()[0]?.toFixed(1);
    const oneByOne = await oneAtATime(dir, bench, builds);
    report({ publications, committed, oneByOne, requests: hub.requests, load });
  } finally {
    await service?.drain();
    await bench.stop();
  }
}

function report(of: {
  readonly publications: readonly { readonly took: number; readonly at: number }[];
  readonly committed: number;
  readonly oneByOne: readonly number[];
  readonly requests: readonly string[];
  readonly load: string | undefined;
}): void {
  const { publications, committed, oneByOne, requests, load } = of;
  const imports = requests.filter((name) => name === 'multiCall addRPMSig').length;
  const took = publications.reduce((sum, one) => sum + one.took, 0);
  const visible = ((publications.at(-1)?.at ?? 0) - committed) / 1000;
  console.log(
    `${BUILDS} builds, ${BUILDS * RPMS} RPMs, tagged by one multicall, messages ${HELD_MS / 1000} s before it (load ${load})`,
  );
  console.log(
    `${publications.length} publications (target: at most 2), ${took.toFixed(1)} s; all visible ${visible.toFixed(1)} s after the hub committed`,
  );
  console.log(
    `${requests.length - imports} requests to the hub besides ${imports} import batches (target: at most 30)`,
  );
  const all = oneByOne.reduce((sum, one) => sum + one, 0);
  const [first = 0, last = 0] = [oneByOne[0], oneByOne.at(-1)];
  console.log(
    `one at a time ${all.toFixed(0)} s (rpmsign, createrepo_c, gpg, rsync: the first build ${first.toFixed(2)} s, the last ${last.toFixed(2)} s)`,
  );
  console.log(
    `${(all / took).toFixed(1)} times faster, ${(all / visible).toFixed(1)} with all waiting (target: at least 20)`,
  );
}

/** Signs, indexes and sends one build after another. @returns the seconds that each took */
async function oneAtATime(dir: string, { key }: ContentBench, builds: readonly MadeBuild[]): Promise<number[]> {
  const task = quietTask(join(dir, 'log'));
  const [near, far] = [join(dir, 'near'), join(dir, 'far')];
  const kindOf = (file: string): string =>
    file.endsWith('.src.rpm') ? 'source' : file.includes('-debuginfo-') ? 'debuginfo' : 'packages';
  await mkdir(far);
  const took: number[] = [];
  for (const build of builds) {
    const begun = performance.now();
    const files = await copyBuild(build, (file) => join(near, kindOf(file), 'Packages', build.name.slice(0, 1)));
    await rpmSign(files, { gnupgHome: key.home, name: key.name, home: dir }, task);
    for (const kind of ['packages', 'debuginfo', 'source']) {
      const repository = join(near, kind);
      await run('createrepo_c', ['--quiet', '--update', '--no-database', '--workers', '2', repository]);
      const repomd = join(repository, 'repodata/repomd.xml');
      await run('gpg', ['--homedir', key.home, '--batch', '--yes', '--quiet', '--armor', '--detach-sign', repomd]);
      await run('rsync', ['-a', '--delete-after', `${repository}/`, `${far}/${kind}/`]);
    }
    took.push(seconds(begun));
  }
  return took;
}

/** 100 tags that did not change: how long a look at all of them takes, and how many calls. */
export async function unchangedTags(dir: string): Promise<void> {
  const TAGS = 100;
  const bench = await startContentBench(dir, { push: false });
  try {
    const { hub, config } = bench;
    const [build] = await manyBuilds(join(dir, 'builds'), 1);
    if (!build) throw new Error('one was made');
    await importBuilds(hub, [build]);
    await hub.transaction(async (state, say) => {
      for (let index = 0; index < TAGS; index += 1) {
        addTag(state, `storage8-p${index}-release`);
        await tagBuild(state, `storage8-p${index}-release`, `${build.name}-${build.version}-${build.release}`, say);
      }
      // Somebody has done something else an hour later: all this is no longer new.
      const { id, ts } = state.lastEvent();
      state.events.push({ id: id + 1, ts: ts + 3600 });
    });
    const sync = (okExitCodes: readonly number[]) =>
      run(process.execPath, [PROGRAM, '--config', config.path, 'content', 'sync', '--all', '--json'], { okExitCodes });
    await sync([0]);
    hub.requests.length = 0;
    const begun = performance.now();
    await sync([10]);
    console.log(
      `${TAGS} tags, none changed: ${seconds(begun).toFixed(2)} s (target: under 2), ${hub.requests.length} requests (a handful)`,
    );
  } finally {
    await bench.stop();
  }
}
