import { join, relative } from 'node:path';
import type { LimitFunction } from 'p-limit';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { writeArtifacts } from '../../boot/guest-tests/artifacts.ts';
import { type PlannedGuest, planGuests } from '../../boot/guest-tests/guest-plan.ts';
import { type GuestResult, runGuest } from '../../boot/guest-tests/run-guest.ts';
import type { GuestTest, TestFolder } from '../../boot/guest-tests/test-folder.ts';
import { isReleased } from '../../build/about-build.ts';
import { TESTS_FOLDER } from '../../build/build-files.ts';
import { compareBuildIds } from '../../build/build-id.ts';
import { type StoredBuild, surveyBuilds } from '../../build/build-store.ts';
import type { TestResult } from '../../build/tests-record.ts';
import type { Config, StreamConfig } from '../../config/config.ts';
import { findStream } from '../../config/lookup.ts';
import { sizeBytes } from '../../images/template/image-template.ts';
import { convertImage, imageInfo } from '../../programs/qemu-img.ts';
import { removeTree } from '../../programs/rm.ts';
import { bootableDisk, localPorts, machineOf, timeoutOf } from './bootable-disk.ts';
import { type KeptImage, keptImage } from './kept-image.ts';

export interface ImageTests {
  readonly config: Config;
  readonly stored: StoredBuild;
  readonly image: KeptImage;
  readonly tests: readonly GuestTest[];
  readonly data: TestFolder['data'];
  /** Bounds how many guests there are at once. */
  readonly atATime: LimitFunction;
}

/** Runs tests of an image type in as many guests as they need. @returns how each ended, in no order */
export async function testImage(request: ImageTests, task: Task): Promise<TestResult[]> {
  const { stored, image, tests, atATime } = request;
  const scratchDir = join(stored.paths.scratch, `test-${image.template.name}`);
  await removeTree(scratchDir, task);
  await makeFolder(scratchDir);
  await makeFolder(stored.paths.logs);
  const disks = sharedDisks(scratchDir, timeoutOf(findStream(request.config, stored.meta.stream)), task);
  try {
    const guests = planGuests(tests).map((guest) => atATime(() => testInGuest(request, guest, disks, task)));
    const settled = await Promise.allSettled(guests);
    return settled.flatMap((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
  } finally {
    await removeTree(scratchDir, task);
  }
}

type Disks = (build: string, image: KeptImage) => Promise<string>;

/** Unpacks or installs the image of a build once for all guests that begin with it: they read it, and write to overlays. */
function sharedDisks(scratch: string, timeoutSeconds: number, task: Task): Disks {
  const disks = new Map<string, Promise<string>>();
  const make = async (build: string, { template, file }: KeptImage): Promise<string> => {
    const scratchDir = join(scratch, build);
    await makeFolder(scratchDir);
    const disk = await bootableDisk({ template, file, scratchDir, timeoutSeconds }, task);
    const { format } = await imageInfo(disk, task);
    if (format === 'raw') return disk;
    const plain = join(scratchDir, 'plain.raw');
    await convertImage({ source: disk, sourceFormat: format, target: plain, targetFormat: 'raw' }, task);
    return plain;
  };
  return (build, image) => {
    const disk = disks.get(build) ?? make(build, image);
    disks.set(build, disk);
    return disk;
  };
}

async function testInGuest(
  { config, stored, image, data }: ImageTests,
  guest: PlannedGuest,
  disks: Disks,
  task: Task,
): Promise<TestResult[]> {
  task.signal.throwIfAborted();
  const { paths, meta } = stored;
  const type = image.template.name;
  const at = new Date().toISOString();
  const start =
    guest.startsFrom === 'this build' ? { build: stored, image } : await earlier(config, stored, guest, type);
  if (start === undefined) {
    const message = `There is no ${guest.startsFrom} with an image "${type}" in the work folder.`;
    const skipped = { image: type, verdict: 'skipped', at, seconds: 0, reboots: 0, message } as const;
    return guest.tests.map(({ name }) => ({ ...skipped, name, startsFrom: meta.buildid, artifacts: [] }));
  }
  const stream = findStream(config, start.build.meta.stream);
  const { memoryMib, ...machine } = await machineOf(image.template);
  const url = treeUrl(config, stored, findStream(config, meta.stream));
  const logOf = (end: string) => (test: GuestTest) => join(paths.logs, `test-${type}.${test.name}.${end}`);
  const results = await runGuest(
    {
      ...{ guest, data, logOf: logOf('log'), serialLogOf: logOf('serial.log') },
      boot: {
        ...{ ...machine, image: await disks(start.build.meta.buildid, start.image), firmware: 'bios' },
        memoryMib: guest.memory === undefined ? memoryMib : sizeBytes(guest.memory) / 1024 ** 2,
        timeoutSeconds: timeoutOf(stream),
        reversePorts: [...new Set([url, stream.remote.url].flatMap(localPorts))],
      },
      variables: {
        ...{ BUILD_ID: meta.buildid, BUILD_COMMIT: meta.ostreeCommit ?? '', BUILD_REF: meta.ref, BUILD_URL: url },
        ...{ BUILD_STREAM: meta.stream, IMAGE_TYPE: type },
        ...{ START_BUILD: start.build.meta.buildid, START_COMMIT: start.build.meta.ostreeCommit ?? '' },
      },
    },
    task,
  );
  return Promise.all(results.map((one) => recorded(one, { stored, type, at, startsFrom: start.build.meta.buildid })));
}

async function recorded(
  { test, artifacts, log, serialLog, ...end }: GuestResult,
  about: { readonly stored: StoredBuild; readonly type: string; readonly at: string; readonly startsFrom: string },
): Promise<TestResult> {
  const { stored, type, at, startsFrom } = about;
  const { dir } = stored.paths;
  const folder = join(TESTS_FOLDER, type, test.name);
  await writeArtifacts(join(dir, folder), artifacts);
  return {
    ...{ ...end, name: test.name, image: type, at, startsFrom },
    ...(log !== undefined && { log: relative(dir, log) }),
    serialLog: relative(dir, serialLog),
    artifacts: artifacts.map(({ path }) => join(folder, path)),
  };
}

/** Returns the newest build before another that an upgrade of hosts may begin with, and whose image is here. */
async function earlier(config: Config, { meta }: StoredBuild, { startsFrom }: PlannedGuest, type: string) {
  const { builds } = await surveyBuilds(config.work);
  const isOther = (one: StoredBuild['meta']) => compareBuildIds(one.buildid, meta.buildid) < 0 && !one.retracted;
  const feeds = (name: string) => config.streams[name]?.release?.promotesFrom === meta.stream;
  const isStart = (one: StoredBuild['meta']): boolean =>
    startsFrom === 'previous release'
      ? isReleased(one) && (one.stream === meta.stream || feeds(one.stream))
      : one.stream === meta.stream && one.state === 'complete';
  for (const build of builds.filter((one) => isOther(one.meta) && isStart(one.meta))) {
    const image = await keptImage(config, build, type).catch(() => undefined);
    if (image) return { build, image };
  }
  return undefined;
}

/** Returns the URL of the repository that has the build's commit: hosts that are tested pull it from there. */
function treeUrl({ targets }: Config, { meta }: StoredBuild, stream: StreamConfig): string {
  const [name = ''] = [...(meta.published ?? []), ...stream.targets];
  return `${targets[name]?.url ?? ''}/repo`;
}
