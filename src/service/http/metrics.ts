import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { remembered } from '../../base/remembered.ts';
import { currentState } from '../../build/about-build.ts';
import { readMeta } from '../../build/build-store.ts';
import { OUTCOMES } from '../../build/outcomes.ts';
import type { Config } from '../../config/config.ts';
import { planFileBytes } from '../../publish/plan-file.ts';
import type { ServiceControl } from '../control.ts';
import type { BusCounts } from '../events/hub-bus.ts';
import { createFileCache } from '../live/file-cache.ts';
import type { IndexedBuild, Work } from '../live/work-folder.ts';
import { addAudits } from './audit-metrics.ts';
import { addContent } from './content-metrics.ts';
import { gaugesOf, type SetGauge } from './gauges.ts';

const STATES = Object.keys(OUTCOMES).filter((state) => state !== 'running');
/** Keys last years, and gpg may be slow. */
const KEYS_AGAIN_MS = 3_600_000;
/** However often it is asked: what changes takes seconds at least. */
const SAME_MS = 2000;

/**
 * Numbers for Prometheus, text format 0.0.4. All but those of the process come from the records on disk, so that nights
 * from the command line count and a restart loses nothing. Times are seconds since the epoch, sizes bytes.
 */
export function serviceMetrics(
  config: Config,
  {
    work,
    control,
    busCounts,
  }: {
    readonly work: Work;
    readonly control: ServiceControl;
    readonly busCounts: () => BusCounts | undefined;
  },
): () => Promise<string> {
  const ownProcess = new Registry();
  collectDefaultMetrics({ register: ownProcess });
  const pushed = createFileCache(planFileBytes);
  const keys = remembered(KEYS_AGAIN_MS, control.keyExpiries);
  const text = remembered(SAME_MS, async () => {
    const registry = new Registry();
    const gauge = gaugesOf(registry);
    await addStreams(config, { work, control }, pushed.get, gauge);
    await addWorkFolder(config, control, gauge);
    await addAudits(config, gauge);
    addContent(control, busCounts(), gauge);
    const { length } = await work.damaged();
    gauge('damaged_records', 'Builds whose record cannot be read, and which are left out for it.', {}, length);
    for (const { fingerprint, seconds } of await keys()) {
      gauge('key_expiry_timestamp_seconds', 'When a signing key expires.', { key: fingerprint }, seconds);
    }
    return `${await registry.metrics()}\n${await ownProcess.metrics()}`;
  });
  return text;
}

async function addStreams(
  config: Config,
  { work, control }: { readonly work: Work; readonly control: ServiceControl },
  pushedBytes: (plan: string) => Promise<number | undefined>,
  gauge: SetGauge,
): Promise<void> {
  const held = (await control.holder()) !== undefined;
  const builds = await work.builds();
  for (const { name: stream, targets } of Object.values(config.streams)) {
    const own = builds.filter(({ meta }) => meta.stream === stream);
    // An alert on a failed night must not fall silent while the next one is under way.
    const ended = own.find((build) => currentState(build, held) !== 'running');
    if (ended === undefined) continue;
    const state = currentState(ended, held);
    for (const one of STATES) {
      gauge(
        'last_build_state',
        'How the last build of a stream that has ended did so: 1 for its state.',
        { stream, state: one },
        +(one === state),
      );
    }
    const good = own.find(isGood);
    const at = good && (await endOf(work, good));
    if (at !== undefined) {
      gauge(
        'last_success_timestamp_seconds',
        'When the last nightly build of a stream succeeded, also without changes.',
        { stream },
        at,
      );
    }
    const made = own.find(({ meta }) => meta.ostreeCommit !== undefined);
    if (made) await addBuild(made, { stream, targets }, pushedBytes, gauge);
  }
}

async function addBuild(
  { meta, paths }: IndexedBuild,
  { stream, targets }: { readonly stream: string; readonly targets: readonly string[] },
  pushedBytes: (plan: string) => Promise<number | undefined>,
  gauge: SetGauge,
): Promise<void> {
  for (const { step, seconds } of (await readMeta(paths)).steps ?? []) {
    gauge('step_duration_seconds', 'How long a step of the last build with a commit took.', { stream, step }, seconds);
  }
  for (const target of targets) {
    const bytes = await pushedBytes(join(paths.dir, 'publish', `${target}.json`));
    if (bytes !== undefined)
      gauge('pushed_bytes', 'What the last build sent to a target, images apart.', { stream, target }, bytes);
  }
  const tree = meta.tree?.bytes;
  if (tree !== undefined) gauge('tree_bytes', 'Size of the last tree as it is stored.', { stream }, tree);
  for (const [image, { size }] of Object.entries(meta.images ?? {})) {
    gauge('image_bytes', 'Size of an image of the last build with a commit.', { stream, image }, size);
  }
}

const isGood = ({ meta }: IndexedBuild): boolean => ['complete', 'unchanged'].includes(meta.state);

async function endOf(work: Work, { paths }: IndexedBuild): Promise<number | undefined> {
  const last = (await work.journal(paths.journal)).at(-1);
  return last && Date.parse(last.at) / 1000;
}

async function addWorkFolder(config: Config, control: ServiceControl, gauge: SetGauge): Promise<void> {
  const { bsize, blocks, bavail, bfree } = await statfs(config.work);
  gauge('disk_free_bytes', 'Free for this service, on the file system of the work folder.', {}, bavail * bsize);
  gauge('disk_used_bytes', 'Used on the file system of the work folder.', {}, (blocks - bfree) * bsize);
  const { waiting, active } = control.jobs();
  gauge('queue_jobs', 'Nights that wait to begin or to be tried again.', {}, waiting);
  gauge('run_active', '1 while a run of this service is under way.', {}, active);
  for (const { stream, at } of control.nextRuns().toReversed()) {
    gauge(
      'next_run_timestamp_seconds',
      'When the next nightly build of a stream starts.',
      { stream },
      at.getTime() / 1000,
    );
  }
}
