import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { makeFolder } from '../base/files.ts';
import { rpmMacro, shellWord } from '../base/quoting.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';
import { inGnupgHome } from './gpg.ts';

export interface RpmBuildRequest {
  readonly spec: string;
  /** Build root; what is in it stays, unless the spec has an %install section, which begins with an empty one. */
  readonly buildRoot: string;
  /** What the spec's `%{_sourcedir}` is; default: below `topDir`. */
  readonly sourceDir?: string;
  /** Name of the build machine in the package's header; the same on every machine. */
  readonly buildHost: string;
  /** Scratch folder; the RPM ends up in `topDir/RPMS/<arch>/`. */
  readonly topDir: string;
  /** HOME without anybody's .rpmmacros. */
  readonly home: string;
  /** Seconds since the epoch: build time and the latest time stamp of a packed file. */
  readonly timestamp: number;
  /** Descriptions of file types, magic(5), in place of the system's. */
  readonly magic?: string;
  /** What the spec needs defined, and macros in place of those given here. */
  readonly macros?: Readonly<Record<string, string>>;
}

/** Packs a build root into a binary RPM with the same bytes for the same input. Prints the RPM's path as its result. */
export async function rpmBuild(request: RpmBuildRequest, task: Task): Promise<string> {
  const macros: Readonly<Record<string, string>> = {
    _topdir: rpmMacro(request.topDir),
    ...(request.sourceDir === undefined ? {} : { _sourcedir: rpmMacro(request.sourceDir) }),
    // Read by rpm of every age.
    _binary_payload: 'w1.gzdio',
    _build_id_links: 'none',
    __os_install_post: '%{nil}',
    _buildhost: request.buildHost,
    use_source_date_epoch_as_buildtime: '1',
    clamp_mtime_to_source_date_epoch: '1',
    ...request.macros,
  };
  const { stdout } = await run(
    'rpmbuild',
    [
      '-bb',
      '--noclean',
      '--buildroot',
      rpmMacro(request.buildRoot),
      ...Object.entries(macros).flatMap(([name, value]) => ['--define', `${name} ${value}`]),
      request.spec,
    ],
    { task, env: { HOME: request.home, SOURCE_DATE_EPOCH: String(request.timestamp), MAGIC: request.magic } },
  );
  return /^Wrote: (.+\.rpm)$/m.exec(stdout)?.[1] ?? '';
}

/** Signs RPMs in place with a key of a GnuPG home. */
export async function rpmSign(
  rpms: readonly string[],
  key: { readonly gnupgHome: string; readonly name: string; readonly home: string },
  task: Task,
): Promise<void> {
  const args = [
    ...['--addsign', '--define', `_gpg_name ${rpmMacro(key.name)}`, '--define', `_gpg_path ${rpmMacro(key.gnupgHome)}`],
    ...['--define', '__gpg /usr/bin/gpg', '--define', '_gpg_digest_algo sha256', ...rpms],
  ];
  const env = { HOME: key.home, GNUPGHOME: key.gnupgHome };
  await inGnupgHome(key.gnupgHome, () => run('rpmsign', args, { task, env }));
}

/** Keeps what rpmsign gives it to sign, and hands over the signature once there is one: `sh SCRIPT DIR DATA SIGNATURE`. */
const HAND_OVER = `cat "$2" > "$1/data" || exit 1
name=$(sha256sum < "$1/data") && name="${'$'}{name%% *}"
mv "$1/data" "$1/$name"
cp "$1/$name.sig" "$3" 2> /dev/null
`;

/**
 * Has rpmsign put signatures into an RPM that somebody else makes: binary detached OpenPGP signatures over the bytes that
 * rpmsign gives (one piece for the header; rpm before 4.14 a second one for header and payload).
 * @param dir an empty folder for scripts and pieces; HOME without anybody's .rpmmacros as well
 * @throws what `signature` throws.
 */
export async function rpmSignWith(
  rpm: string,
  signature: (data: Uint8Array) => Promise<Uint8Array>,
  dir: string,
  task: Task,
): Promise<void> {
  const script = join(dir, 'hand-over.sh');
  const pieces = join(dir, 'pieces');
  await makeFolder(pieces);
  await writeFile(script, HAND_OVER);
  // rpmsign runs the first word and gives it all others, as for "gpg gpg --sign".
  const [path, folder] = [script, pieces].map((one) => rpmMacro(shellWord(one)));
  const command = `/bin/sh sh ${path} ${folder} %{__plaintext_filename} %{__signature_filename}`;
  const args = ['--addsign', '--define', '_gpg_name none', '--define', `__gpg_sign_cmd ${command}`, rpm];
  for (;;) {
    const { exitCode } = await run('rpmsign', args, { task, env: { HOME: dir }, okExitCodes: [0, 1] });
    if (exitCode === 0) return;
    const names = await readdir(pieces);
    const open = names.filter((name) => /^[0-9a-f]{64}$/.test(name) && !names.includes(`${name}.sig`));
    if (open.length === 0) break;
    for (const name of open)
      await writeFile(join(pieces, `${name}.sig`), await signature(await readFile(join(pieces, name))));
  }
  throw new NightlyError('signing', `rpmsign did not put the signature into ${basename(rpm)}.`, {
    hint: 'Its message is in the log. rpm before 4.16 takes RSA signatures only.',
    log: task.logFile,
  });
}
