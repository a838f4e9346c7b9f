import { createHash } from 'node:crypto';
import { chmod, copyFile, cp, mkdir, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from '../../src/programs/exec.ts';

/** One path of a test package. */
export type MiniFile = {
  readonly path: string;
  /** Octal, as a spec file has it: '4755'. */
  readonly mode?: string;
  readonly owner?: string;
  readonly group?: string;
  /** As `%caps()` takes it: 'cap_net_raw=ep'. */
  readonly caps?: string;
  readonly config?: boolean;
} & ({ readonly text: string } | { readonly from: string } | { readonly link: string } | { readonly dir: true });

/** What a test package is made from; equal recipes give byte-identical RPMs (when not signed). */
export interface MiniRecipe {
  readonly name: string;
  readonly epoch?: number;
  readonly version: string;
  readonly release: string;
  readonly arch?: 'noarch' | 'x86_64' | 'i686';
  readonly requires?: readonly string[];
  readonly provides?: readonly string[];
  readonly files: readonly MiniFile[];
  readonly pre?: string;
  readonly post?: string;
  /** Lines of the changelog as a spec file has them, newest entry first. */
  readonly changelog?: readonly string[];
}

const CACHE = join(tmpdir(), 'atomic-nightly-test-cache');
/** 2026-01-01; every time inside a test RPM. */
export const MINI_EPOCH = 1_767_225_600;

/** `name-[epoch:]version-release.arch` */
export function nevraOf(recipe: MiniRecipe): string {
  const epoch = recipe.epoch === undefined ? '' : `${recipe.epoch}:`;
  return `${recipe.name}-${epoch}${recipe.version}-${recipe.release}.${recipe.arch ?? 'noarch'}`;
}

/**
 * Builds a recipe with rpmbuild, or takes it from the cache in the system's temporary folder.
 * @returns path of the RPM in the cache: copy or link it, never change it.
 */
export async function buildMiniRpm(
  recipe: MiniRecipe,
  options: { readonly signed?: boolean | 'stranger' } = {},
): Promise<string> {
  const key = options.signed === 'stranger' ? await strangersKey() : await testKey();
  const hash = createHash('sha256').update(JSON.stringify(['v1', recipe, options.signed ?? false]));
  for (const file of recipe.files) if ('from' in file) hash.update(await readFile(file.from));
  if (options.signed) hash.update(await readFile(key.publicKey));
  const cached = join(CACHE, `${hash.digest('hex').slice(0, 32)}.rpm`);
  if (await exists(cached)) return cached;
  await mkdir(CACHE, { recursive: true });
  const dir = await mkdtemp(join(CACHE, 'build-'));
  try {
    await layOut(recipe, join(dir, 'tree'));
    await writeFile(join(dir, 'mini.spec'), specOf(recipe, join(dir, 'tree')));
    const target = recipe.arch === 'i686' ? ['--target', 'i686'] : [];
    await run('rpmbuild', ['-bb', ...target, ...rpmbuildDefines(dir), join(dir, 'mini.spec')], {
      env: { HOME: dir, SOURCE_DATE_EPOCH: String(MINI_EPOCH) },
    });
    const rpm = join(dir, 'out.rpm');
    if (options.signed) await signRpm(rpm, key.home);
    await rename(rpm, cached);
    return cached;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** The key test packages are signed with: made once, kept in the cache. */
export function testKey(): Promise<RpmKey> {
  return cachedKey('gpg');
}

/** Another key, which is in nobody's keyring. */
export function strangersKey(): Promise<RpmKey> {
  return cachedKey('gpg-stranger');
}

interface RpmKey {
  readonly home: string;
  readonly publicKey: string;
}

async function cachedKey(name: string): Promise<RpmKey> {
  const home = join(CACHE, name);
  const publicKey = join(home, 'RPM-GPG-KEY-mini');
  if (await exists(publicKey)) return { home, publicKey };
  await mkdir(CACHE, { recursive: true });
  const fresh = await mkdtemp(join(CACHE, 'g-'));
  const gpg = ['--homedir', fresh, '--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', ''];
  await run('gpg', [...gpg, '--quick-generate-key', 'Mini Distro <mini@example.org>', 'rsa2048', 'sign', 'never']);
  await run('gpg', [...gpg, '--armor', '--output', join(fresh, 'RPM-GPG-KEY-mini'), '--export']);
  await run('gpgconf', ['--homedir', fresh, '--kill', 'all']);
  // Another test worker may have been faster: its key is as good, and both must use the same one.
  await rename(fresh, home).catch(() => rm(fresh, { recursive: true, force: true }));
  return { home, publicKey };
}

/** Does something with a copy of a GnuPG home: test workers share the keys, and one would end the agent that another signs with. */
export async function withKeyOf(keyHome: string, work: (home: string) => Promise<unknown>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-gpg-'));
  try {
    for (const name of ['pubring.kbx', 'trustdb.gpg', 'private-keys-v1.d'])
      await cp(join(keyHome, name), join(home, name), { recursive: true });
    await work(home);
  } finally {
    await run('gpgconf', ['--homedir', home, '--kill', 'all']);
    await rm(home, { recursive: true, force: true });
  }
}

/** Signs an RPM file, also one that is signed already: the signature has the time in it, and so the file changes. */
export async function signRpm(rpm: string, keyHome: string): Promise<void> {
  // One by the same key would be left as it is.
  await run('rpmsign', ['--delsign', rpm]);
  await withKeyOf(keyHome, (home) => addSignature(rpm, home));
}

async function addSignature(rpm: string, home: string): Promise<void> {
  const defines = [
    '--define',
    `_gpg_path ${home}`,
    '--define',
    '_gpg_name Mini Distro',
    '--define',
    '__gpg /usr/bin/gpg',
  ];
  const quiet = '--define=_gpg_sign_cmd_extra_args --batch --pinentry-mode loopback --passphrase ""';
  await run('rpmsign', [...defines, quiet, '--addsign', rpm], { env: { GNUPGHOME: home } });
}

async function layOut(recipe: MiniRecipe, tree: string): Promise<void> {
  await mkdir(tree, { recursive: true });
  for (const file of recipe.files) {
    const path = join(tree, file.path);
    await mkdir('dir' in file ? path : dirname(path), { recursive: true });
    if ('text' in file) await writeFile(path, file.text);
    else if ('from' in file) await copyFile(file.from, path);
    else if ('link' in file) await symlink(file.link, path);
    if ('text' in file || 'from' in file) await chmod(path, 0o644);
  }
}

function specOf(recipe: MiniRecipe, tree: string): string {
  const lines = [
    `Name: ${recipe.name}`,
    ...(recipe.epoch === undefined ? [] : [`Epoch: ${recipe.epoch}`]),
    `Version: ${recipe.version}`,
    `Release: ${recipe.release}`,
    'Summary: test package',
    'License: MIT',
    // Another than the machine's is given to rpmbuild as the target.
    ...(recipe.arch === 'i686' ? [] : [`BuildArch: ${recipe.arch ?? 'noarch'}`]),
    'AutoReqProv: no',
    ...(recipe.requires ?? []).map((name) => `Requires: ${name}`),
    ...(recipe.provides ?? []).map((name) => `Provides: ${name}`),
    '%description',
    'test package',
    '%install',
    `mkdir -p %{buildroot} && cp -a ${tree}/. %{buildroot}/`,
    ...(recipe.pre === undefined ? [] : ['%pre', recipe.pre]),
    ...(recipe.post === undefined ? [] : ['%post', recipe.post]),
    '%files',
    ...recipe.files.map(fileLine),
    ...(recipe.changelog === undefined ? [] : ['%changelog', ...recipe.changelog]),
    '',
  ];
  return lines.join('\n');
}

function fileLine(file: MiniFile): string {
  const mode = file.mode ?? ('dir' in file ? '0755' : '0644');
  const attr = 'link' in file ? '' : `%attr(${mode},${file.owner ?? 'root'},${file.group ?? 'root'}) `;
  const caps = file.caps === undefined ? '' : `%caps(${file.caps}) `;
  return `${attr}${caps}${'dir' in file ? '%dir ' : ''}${file.config ? '%config(noreplace) ' : ''}${/\s/.test(file.path) ? `"${file.path}"` : file.path}`;
}

function rpmbuildDefines(dir: string): string[] {
  const defines = {
    _topdir: dir,
    _rpmdir: dir,
    _build_name_fmt: 'out.rpm',
    _tmppath: dir,
    _buildhost: 'mini.example.org',
    use_source_date_epoch_as_buildtime: '1',
    clamp_mtime_to_source_date_epoch: '1',
    _build_id_links: 'none',
    __os_install_post: '%{nil}',
    _binary_payload: 'w1.gzdio',
  };
  return Object.entries(defines).flatMap(([name, value]) => ['--define', `${name} ${value}`]);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
