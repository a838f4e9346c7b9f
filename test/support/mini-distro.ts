import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { run } from '../../src/programs/exec.ts';
import { BASE_RECIPES } from './mini-recipes.ts';
import { buildMiniRpm, type MiniFile, type MiniRecipe, nevraOf, testKey } from './mini-rpm.ts';

/** A tiny real RPM distribution on disk: one repository, a treefile and the .repo file beside it. */
export interface MiniDistro {
  readonly dir: string;
  /** The id in the .repo file. */
  readonly repoId: 'mini';
  readonly repoDir: string;
  readonly treefile: string;
  readonly repoFile: string;
  /** The newest published recipe of a package. */
  recipe(name: string): MiniRecipe;
  /** Publishes packages beside what is there, then makes the metadata anew. @returns their NEVRAs. */
  publish(...recipes: readonly MiniRecipe[]): Promise<string[]>;
  /** Publishes a release of a package one higher than the newest, with a changed marker file in it. */
  bump(name: string, changes?: Partial<MiniRecipe>): Promise<MiniRecipe>;
  /** Publishes a newer release that is not signed (the others must be signed for this to matter). */
  bumpUnsigned(name: string): Promise<MiniRecipe>;
  /** Publishes a package signed with a key that is in nobody's keyring. @returns its NEVRA. */
  publishStrangers(recipe: MiniRecipe): Promise<string>;
  /** Publishes a newer release that requires something no package provides. */
  bumpBroken(name: string): Promise<MiniRecipe>;
  /** Removes every release of a package, or the one given, from the repository. */
  remove(name: string, versionRelease?: string): Promise<void>;
  /** Writes the treefile: the mini distribution's values, changed by those given (`undefined` drops a key). */
  writeTreefile(changes?: Readonly<Record<string, unknown>>): Promise<void>;
  /** Writes the .repo file. */
  writeRepoFile(options?: { readonly gpgcheck?: boolean; readonly baseurl?: string }): Promise<void>;
}

/** The treefile every mini distribution starts with. */
export const MINI_TREEFILE: Readonly<Record<string, unknown>> = {
  ref: 'mini/x86_64/nightly',
  repos: ['mini'],
  selinux: false,
  'boot-location': 'modules',
  'tmp-is-dir': true,
  'machineid-compat': false,
  documentation: false,
  packages: ['filesystem', 'setup', 'busybox', 'mini-release', 'kernel', 'dracut', 'app', 'svc', 'suid', 'capable'],
};

/**
 * Makes the distribution in a folder, without network: rpmbuild (cached between tests) and createrepo_c.
 * @param options.signed sign every package, publish the key, and write gpgcheck=1
 */
export async function makeMiniDistro(dir: string, options: { readonly signed?: boolean } = {}): Promise<MiniDistro> {
  const signed = options.signed === true;
  const repoDir = join(dir, 'repo');
  const published = new Map<string, { recipe: MiniRecipe; file: string }[]>();
  await mkdir(repoDir, { recursive: true });
  await mkdir(join(dir, 'treefile'), { recursive: true });

  const createrepo = () =>
    run('createrepo_c', ['--quiet', '--no-database', '--simple-md-filenames', '--update', repoDir]);

  const add = async (recipe: MiniRecipe, sign: boolean | 'stranger'): Promise<void> => {
    const file = join(repoDir, `${nevraOf(recipe).replace(/-\d+:/, '-')}.rpm`);
    await copyFile(await buildMiniRpm(recipe, { signed: sign }), file);
    published.set(recipe.name, [...(published.get(recipe.name) ?? []), { recipe, file }]);
  };

  const newest = (name: string): MiniRecipe => {
    const last = published.get(name)?.at(-1);
    if (!last) throw new Error(`the mini distribution has no package ${name}`);
    return last.recipe;
  };

  const bumped = (name: string, changes: Partial<MiniRecipe> = {}): MiniRecipe => {
    const old = newest(name);
    const release = String(Number(old.release) + 1);
    const marker: MiniFile = { path: `/usr/share/${name}-release`, text: `${old.version}-${release}\n` };
    const files = [...old.files.filter((file) => file.path !== marker.path), marker];
    return { ...old, release, files, ...changes };
  };

  const distro: MiniDistro = {
    dir,
    repoId: 'mini',
    repoDir,
    treefile: join(dir, 'treefile', 'mini.yaml'),
    repoFile: join(dir, 'treefile', 'mini.repo'),
    recipe: newest,
    async publish(...recipes) {
      for (const recipe of recipes) await add(recipe, signed);
      await createrepo();
      return recipes.map(nevraOf);
    },
    async bump(name, changes) {
      const recipe = bumped(name, changes);
      await distro.publish(recipe);
      return recipe;
    },
    async bumpUnsigned(name) {
      const recipe = bumped(name);
      await add(recipe, false);
      await createrepo();
      return recipe;
    },
    async publishStrangers(recipe) {
      await add(recipe, 'stranger');
      await createrepo();
      return nevraOf(recipe);
    },
    async bumpBroken(name) {
      const old = newest(name);
      return distro.bump(name, { requires: [...(old.requires ?? []), 'nobody-provides-this'] });
    },
    async remove(name, versionRelease) {
      const all = published.get(name) ?? [];
      const gone = all.filter(
        ({ recipe }) => versionRelease === undefined || `${recipe.version}-${recipe.release}` === versionRelease,
      );
      if (gone.length === 0) throw new Error(`the mini distribution has no package ${name} ${versionRelease ?? ''}`);
      for (const { file } of gone) await rm(file);
      published.set(
        name,
        all.filter((one) => !gone.includes(one)),
      );
      await createrepo();
    },
    async writeTreefile(changes = {}) {
      // JSON is YAML too, so one writer serves both readers.
      await writeFile(distro.treefile, `${JSON.stringify({ ...MINI_TREEFILE, ...changes }, null, 2)}\n`);
    },
    async writeRepoFile({ gpgcheck = signed, baseurl = pathToFileURL(repoDir).href } = {}) {
      const key = signed ? [`gpgkey=${pathToFileURL(join(dir, 'treefile', 'RPM-GPG-KEY-mini')).href}`] : [];
      const lines = ['[mini]', 'name=Mini', `baseurl=${baseurl}`, `gpgcheck=${gpgcheck ? 1 : 0}`, 'enabled=1', ...key];
      await writeFile(distro.repoFile, `${lines.join('\n')}\n`);
    },
  };

  if (signed) await copyFile((await testKey()).publicKey, join(dir, 'treefile', 'RPM-GPG-KEY-mini'));
  await distro.publish(...BASE_RECIPES);
  await distro.writeTreefile();
  await distro.writeRepoFile();
  return distro;
}
