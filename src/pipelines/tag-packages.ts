import { join } from 'node:path';
import { kojiConnection } from '../content/open-koji.ts';
import type { SnapshotRpm } from '../content/snapshot.ts';
import { poolFolder, tagFolder } from '../content/tag-state.ts';
import { fileUrl, unsignedPath } from '../koji/koji-files.ts';
import type { Runner } from '../run/runner.ts';
import type { Signer } from '../signing/signer.ts';
import { checkPackages } from '../steps/content/check-packages.ts';
import { importSignatures } from '../steps/content/import-signatures.ts';
import { fetchPackages, type PooledPackage, readPool } from '../steps/content/package-pool.ts';
import { signPackages } from '../steps/content/sign-packages.ts';
import type { PreparedContent, TagContent } from './prepare-content.ts';

/** Packages as koji built them. */
export async function unsignedPool(
  { config, koji }: TagContent,
  rpms: readonly SnapshotRpm[],
  runner: Runner,
): Promise<Pool> {
  const wanted = rpms.map((rpm) => ({
    ...rpm,
    name: rpm.file,
    url: fileUrl(koji.topurl, unsignedPath(rpm.build, rpm)),
  }));
  const folder = join(poolFolder(config.work), 'unsigned');
  await runner.step('fetch', {}, async (task) => {
    await fetchPackages(wanted, folder, kojiConnection(koji), task);
  });
  return readPool(folder);
}

/** Packages signed by the tag's key, each the very copy that koji has, and verified. */
export async function signedPool(
  of: TagContent,
  { plan, key }: PreparedContent,
  signer: Signer,
  runner: Runner,
): Promise<Pool> {
  const { config, koji, hub, assigned } = of;
  const pool = join(poolFolder(config.work), key.fingerprint);
  // Of this tag alone: others with the same package are processed at the same time.
  const folder = join(tagFolder(config.work, assigned.tag), 'signing', key.fingerprint);
  const [made, arrived] = [join(folder, 'made'), join(folder, 'arrived')];
  const before = await readPool(pool);
  const due = plan.wanted.filter((rpm) => !before.has(rpm.payloadhash) || plan.sign.includes(rpm));
  const toFetch = plan.sign.filter(({ payloadhash }) => !before.has(payloadhash));
  const unsigned = await unsignedPool(of, toFetch, runner);
  await runner.step('sign', {}, (task) =>
    signPackages(plan.sign, { signed: before, unsigned }, { folder: made, signer }, task),
  );
  const places = { key: key.id, made, arrived, topurl: koji.topurl, connection: kojiConnection(koji) };
  await runner.step('import', {}, (task) => importSignatures(due, hub, places, task));
  await runner.step('check', {}, async (task) => {
    const names = new Map(due.map(({ payloadhash, file }) => [payloadhash, file]));
    const come = new Map([...(await readPool(arrived))].filter(([payloadhash]) => names.has(payloadhash)));
    const publicKey = await signer.clientKey(task);
    await checkPackages(come, { key: publicKey, pool, names, dir: join(folder, 'rpmkeys') }, task);
  });
  return readPool(pool);
}

/** Packages by payload hash. */
export type Pool = ReadonlyMap<string, PooledPackage>;
