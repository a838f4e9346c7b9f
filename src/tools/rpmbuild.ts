import { run } from './exec.ts';
import type { Task } from './task.ts';

export interface RpmBuildRequest {
  readonly spec: string;
  /** Build root with the finished files; left as it is. */
  readonly buildRoot: string;
  /** Scratch folder; the RPM ends up in `topDir/RPMS/<arch>/`. */
  readonly topDir: string;
  /** HOME without anybody's .rpmmacros. */
  readonly home: string;
  /** Seconds since the epoch: build time and the latest time stamp of a packed file. */
  readonly timestamp: number;
}

/** Packs a build root into a binary RPM with the same bytes for the same input. Prints the RPM's path as its result. */
export async function rpmBuild(request: RpmBuildRequest, task: Task): Promise<string> {
  const macros: Readonly<Record<string, string>> = {
    _topdir: request.topDir,
    // Light compression: the lab is made and read once, so time counts and size does not.
    _binary_payload: 'w1.gzdio',
    _build_id_links: 'none',
    __os_install_post: '%{nil}',
    _buildhost: 'lab.invalid',
    use_source_date_epoch_as_buildtime: '1',
    clamp_mtime_to_source_date_epoch: '1',
  };
  const { stdout } = await run(
    'rpmbuild',
    [
      '-bb',
      '--noclean',
      '--buildroot',
      request.buildRoot,
      ...Object.entries(macros).flatMap(([name, value]) => ['--define', `${name} ${value}`]),
      request.spec,
    ],
    { task, env: { HOME: request.home, SOURCE_DATE_EPOCH: String(request.timestamp) } },
  );
  return /^Wrote: (.+\.rpm)$/m.exec(stdout)?.[1] ?? '';
}

/** Signs RPMs in place with a key of a GnuPG home. */
export async function rpmSign(
  rpms: readonly string[],
  key: { readonly gnupgHome: string; readonly name: string; readonly home: string },
  task: Task,
): Promise<void> {
  await run(
    'rpmsign',
    [
      '--addsign',
      '--define',
      `_gpg_name ${key.name}`,
      '--define',
      `_gpg_path ${key.gnupgHome}`,
      '--define',
      '__gpg /usr/bin/gpg',
      '--define',
      '_gpg_digest_algo sha256',
      ...rpms,
    ],
    { task, env: { HOME: key.home, GNUPGHOME: key.gnupgHome } },
  );
}
