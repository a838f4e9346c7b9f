import { copyFile, mkdir, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { beforeAll, onTestFinished } from 'vitest';
import { sha256, sha256File } from '../../src/base/files.ts';
import { armoredKey } from '../../src/base/openpgp-packets.ts';
import type { WantedPackage } from '../../src/programs/dnf-client.ts';
import { gpgStopAgent } from '../../src/programs/gpg.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { publishRpms } from '../../src/publish/rpms/publish-rpms.ts';
import { publishablePaths } from '../../src/publish/rpms/publishable-paths.ts';
import { readPublishedNames } from '../../src/publish/rpms/published-names.ts';
import { settleSignature } from '../../src/publish/rpms/repomd-bridge.ts';
import { retireRpms } from '../../src/publish/rpms/retire-rpms.ts';
import { useAsClient } from '../../src/publish/rpms/use-as-client.ts';
import { makeRepository } from '../../src/rpm/repository/make-repository.ts';
import type { PackageFile } from '../../src/rpm/repository/place-packages.ts';
import { signRpm } from '../../src/rpm/signature/sign-rpm.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { repomdSigning } from '../../src/signing/repomd-signing.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { manyRpms } from './many-rpms.ts';
import { MINI_EPOCH } from './mini-rpm.ts';
import { serveFolder } from './nginx.ts';
import { makeKey } from './signing-key.ts';
import { type Bed, directoryBed } from './target-beds.ts';
import { sharedFolder, temporaryFolder, testTask } from './tmp.ts';

export const DAY = 86_400;
export const START = MINI_EPOCH + 1000;
/** The published repository, relative to the target's root. */
export const RPMS_FOLDER = 'sig/x86_64/main';

/** Five packages, unsigned and with a signature, of the same names, sizes and times; and who signs. */
export interface RpmsMaterial {
  readonly dir: string;
  readonly signer: Signer;
  readonly publicKey: Uint8Array;
  readonly unsigned: readonly PackageFile[];
  readonly signed: readonly PackageFile[];
}

/** Makes it before the tests of a file. */
export function rpmsMaterial(): () => RpmsMaterial {
  const dir = sharedFolder();
  let made: RpmsMaterial | undefined;
  beforeAll(async () => {
    const task = testTask(dir);
    const key = await makeKey(dir);
    const signer = openSigner(key);
    const rpms = await manyRpms(join(dir, 'unsigned'), 5);
    const unsigned = rpms.map(({ name, file, sha256: digest }) => {
      return { path: `Packages/${name.charAt(0)}/${basename(file)}`, file, sha256: digest };
    });
    await mkdir(join(dir, 'signed'));
    const signed: PackageFile[] = [];
    for (const { path, file } of unsigned) {
      const copy = join(dir, 'signed', basename(file));
      await copyFile(file, copy);
      await signRpm(copy, (data) => signer.sign(data, task));
      await utimes(copy, MINI_EPOCH, MINI_EPOCH);
      signed.push({ path, file: copy, sha256: await sha256File(copy) });
    }
    made = { dir, signer, publicKey: await signer.publicKey(task), unsigned, signed };
    return () => gpgStopAgent(key.home, task);
  });
  return () => {
    if (!made) throw new Error('It is made before the first test.');
    return made;
  };
}

/** What a client asks for to get these packages. */
export const wantedOf = (packages: readonly PackageFile[]): WantedPackage[] =>
  packages.map(({ path, sha256: digest }) => {
    return { name: basename(path).replace(/-1\.0-1\.noarch\.rpm$/, ''), evra: '1.0-1.noarch', sha256: digest };
  });

/** A repository that is made and published to a bed, one list of packages after another. */
export async function rpmsWorld({ signer, publicKey }: RpmsMaterial, open: () => Promise<Bed> = directoryBed) {
  const bed = await open();
  const work = temporaryFolder();
  const task = testTask(work);
  let target = bed.target;
  if (bed.far !== undefined) {
    await mkdir(bed.far, { recursive: true });
    const { url, stop } = await serveFolder({ root: bed.far });
    onTestFinished(stop);
    target = { ...bed.target, publicUrl: url };
  }
  const [repository, memory] = [join(work, 'repository'), join(work, 'published.json')];
  const place = { target, folder: RPMS_FOLDER, memory };
  const url = `${target.publicUrl}/${RPMS_FOLDER}`;
  const signing = repomdSigning(signer, task);
  return {
    ...{ bed, target, place, task, memory, url },
    /** Makes the repository of these packages and publishes it, so many days after the start. */
    async publish(packages: readonly PackageFile[], { day = 0, log = NO_LOG, all = false, bridge = false } = {}) {
      const now = START + day * DAY;
      const paths = publishablePaths(packages, [await readPublishedNames(place, now, task)]);
      const about = { folder: repository, memory: join(work, 'repository.json'), keepSeconds: DAY };
      await makeRepository({ ...about, packages: paths, revision: now, signing, now }, task);
      const scratch = { repository, folder: RPMS_FOLDER, dir: join(work, 'scratch') };
      return {
        paths,
        ...(await publishRpms({ ...scratch, log, memory: { file: memory, now }, all, bridge }, target, task)),
      };
    },
    /** Removes what left three days ago or earlier. */
    retire: (day: number) => retireRpms(place, { graceSeconds: 3 * DAY, now: START + day * DAY }, task),
    settle: () => settleSignature({ repository, folder: RPMS_FOLDER }, target, task),
    use: (packages: readonly PackageFile[], gpgcheck = true, keys = [armoredKey(publicKey)]) =>
      useAsClient({ url, arch: 'x86_64', keys, gpgcheck, packages: wantedOf(packages) }, task),
    async look(path: string): Promise<boolean> {
      return (await bed.look(`${RPMS_FOLDER}/${path}`).catch(() => undefined)) !== undefined;
    },
    digest: async ({ path }: PackageFile) => sha256((await target.read(`${RPMS_FOLDER}/${path}`, task)) ?? ''),
  };
}

export const pick = (list: readonly PackageFile[], ...indices: readonly number[]) =>
  indices.flatMap((index) => list[index] ?? []);
