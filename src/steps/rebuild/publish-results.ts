import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { armoredKey } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import type { Config } from '../../config/config.ts';
import { openLogGate } from '../../publish/log/release-log.ts';
import { useAsClient } from '../../publish/rpms/use-as-client.ts';
import { type PublishableRpm, publishableRpms } from '../../rebuild/publishable-results.ts';
import { rebuildFolder } from '../../rebuild/rebuild-folder.ts';
import { withRebuildLock } from '../../rebuild/rebuild-lock.ts';
import { type RebuildConfig, readRebuildRecords } from '../../rebuild/rebuild-records.ts';
import { rpmFileName } from '../../rpm/evr.ts';
import { type LaidOutRepository, layOut } from '../../rpm/repository/layout.ts';
import { keptSigner } from '../../signing/kept.ts';
import { readKeyInfo } from '../../signing/key-info.ts';
import { openSigner } from '../../signing/open-signer.ts';
import type { Signer } from '../../signing/signer.ts';
import { openTarget } from '../../targets/open-target.ts';
import { makeTagRepository } from '../content/make-repositories.ts';
import {
  type PlacedRepository,
  placed,
  publishable,
  pushRepository,
  retireRepository,
  settleRepository,
} from '../content/push-repository.ts';
import { type SignedRpm, signedPool } from './signed-pool.ts';

/** What was published of accepted results. */
export interface PublishedResults {
  readonly packages: number;
  /** Folders on the target whose repositories are others than before. */
  readonly changed: readonly string[];
}

/**
 * Makes the repositories of rebuilt packages equal to what is accepted: nothing that is disputed, of a scratch build, or still to be
 * built by another is ever in them (I18), and what turns out to be disputed leaves them. Signs, publishes and uses them as content of
 * koji's tags. Every step finds out what is done, so that the same again after a kill ends the same.
 * @param now seconds since 1970
 * @throws NightlyError `usage` without `builders.publish`; `signing`, `verify`, those of the target.
 */
export async function publishResults(
  config: Config & RebuildConfig,
  task: Task,
  now: number = Math.floor(Date.now() / 1000),
): Promise<PublishedResults> {
  const { publish } = config.builders;
  if (publish === undefined) {
    throw new NightlyError('usage', `${config.path} does not say where results are published.`, {
      hint: 'Add "publish" to "builders": docs/rebuilds.md.',
    });
  }
  const signer = keptSigner(openSigner(publish.signing), join(rebuildFolder(config.work), 'signatures'));
  await signer.check(task);
  return withRebuildLock(config.work, task, async () => {
    const { judged } = await readRebuildRecords(config);
    const rpms = publishableRpms(judged);
    const clientKey = await signer.clientKey(task);
    const [info] = await readKeyInfo(clientKey, 'the key of "builders.publish"');
    const pool = await signedPool(config.work, rpms, { signer, key: info?.fingerprint ?? 'key' }, task);
    const revision = Math.max(0, ...judged.map(({ result }) => result.finishedAt));
    const changed: string[] = [];
    for (const one of repositoriesOf(config, rpms, pool)) {
      const isChanged = await publishOne(config, one, { signer, clientKey, revision, now, rpms }, task);
      if (isChanged) changed.push(one.folder);
    }
    return { packages: rpms.length, changed };
  });
}

/** One repository with packages and one with debuginfo for each architecture of the builders. */
function repositoriesOf(
  { work, targets, builders }: Config & RebuildConfig,
  rpms: readonly PublishableRpm[],
  pool: ReadonlyMap<string, SignedRpm>,
): PlacedRepository[] {
  const { target: name, path } = builders.publish ?? { target: '', path: '' };
  const config = targets[name];
  if (!config) throw new RangeError(`the configuration passed its checks without the target ${name}`);
  const target = openTarget(config);
  const arches = [...new Set(builders.machines.flatMap(({ arch }) => arch))].filter((arch) => arch !== 'noarch').sort();
  const folder = join(rebuildFolder(work), 'publish');
  const { repositories } = layOut<PublishableRpm>(rpms, arches);
  return repositories
    .filter(({ kind }) => kind !== 'source')
    .map((repository) => {
      const { kind, arch } = repository;
      const id = `${kind}-${arch}`;
      const place = `${path.replaceAll('<arch>', arch)}${kind === 'debuginfo' ? '-debug' : ''}`;
      const packages = packagesOf(repository, pool);
      return placed(
        { ...{ id, kind, arch, target: name, folder: place }, local: join(folder, 'repositories', id), packages },
        target,
        folder,
      );
    });
}

function packagesOf({ rpms }: LaidOutRepository<PublishableRpm>, pool: ReadonlyMap<string, SignedRpm>) {
  return rpms.map(({ rpm, path }) => {
    const signed = pool.get(rpm.header);
    if (signed === undefined) throw new RangeError(`${rpm.nevra} was not signed`);
    return { path, ...signed };
  });
}

interface Publishing {
  readonly signer: Signer;
  readonly clientKey: Uint8Array;
  readonly revision: number;
  readonly now: number;
  readonly rpms: readonly PublishableRpm[];
}

async function publishOne(
  config: Config & RebuildConfig,
  one: PlacedRepository,
  { signer, clientKey, revision, now, rpms }: Publishing,
  task: Task,
): Promise<boolean> {
  const keepSeconds = config.builders.publish?.keepSeconds ?? 0;
  const scratch = join(rebuildFolder(config.work), 'publish', 'scratch');
  const repository = await publishable(one, now, task);
  await makeTagRepository(repository, { signer, event: { id: 0, ts: revision }, keepSeconds, now }, task);
  const { changed } = await pushRepository(repository, { log: await openLogGate(config), scratch, now }, task);
  if (changed) {
    const { target, folder } = one.place;
    const here = new Map(
      repository.packages.map(({ path, sha256 }) => [path.slice(path.lastIndexOf('/') + 1), sha256]),
    );
    const wanted = rpms.flatMap(({ nevra, name }) => {
      const evra = nevra.slice(name.length + 1);
      const sha256 = here.get(rpmFileName(name, evra));
      return sha256 === undefined ? [] : [{ name, evra, sha256 }];
    });
    const check = { url: `${target.publicUrl}/${folder}`, keys: [armoredKey(clientKey)], gpgcheck: true };
    await useAsClient({ ...check, arch: one.arch, packages: wanted }, task);
  }
  await settleRepository(repository, task);
  await retireRepository(repository, { keepSeconds, now }, task);
  return changed;
}
