import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { NightlyError } from '../../../base/errors.ts';
import { folderInTree, kindOf, namesIn, readInTree, replaceInTree } from '../../../base/tree-files.ts';
import type { Treefile } from '../../../treefile/treefile.ts';
import { at, entry } from './tree-paths.ts';

/** Where rpm-ostree looks for the programs it stands before (cliwrap.rs). */
const WRAPPED = '/usr/libexec/rpm-ostree/wrapped';

/** Programs that rpm-ostree stands before where they are, and those it offers even where they are not. */
const THERE = ['/usr/bin/rpm', '/usr/bin/dracut', '/usr/sbin/grubby', '/usr/bin/kernel-install'];
const ALWAYS = ['/usr/bin/yum', '/usr/bin/dnf'];

/**
 * Puts rpm-ostree before programs that would harm a host (`cliwrap`), all it knows or those of `cliwrap-binaries`. Called
 * when the compose itself needs none of them any more.
 * @throws NightlyError `compose` when the tree has no rpm-ostree that could answer, or a name is not one of these.
 */
export async function wrapPrograms(root: string, { values, origins }: Treefile): Promise<void> {
  const named = values['cliwrap-binaries'];
  if (values.cliwrap !== true && named === undefined) return;
  const fail = (key: 'cliwrap' | 'cliwrap-binaries', message: string, hint: string): never => {
    const place = origins.get(key);
    throw new NightlyError('compose', message, { hint, place });
  };
  if (!(await kindOf(entry(root, '/usr/bin/rpm-ostree')))) {
    fail(
      named === undefined ? 'cliwrap' : 'cliwrap-binaries',
      'The treefile wants rpm-ostree before other programs, but the tree has no /usr/bin/rpm-ostree.',
      'Add rpm-ostree to "packages", or take the key out.',
    );
  }
  const known = [...THERE, ...ALWAYS];
  const unknown = (values.cliwrap === true ? [] : (named ?? [])).find(
    (name) => !known.some((path) => path.endsWith(`/${name}`)),
  );
  if (unknown !== undefined) {
    fail('cliwrap-binaries', `rpm-ostree does not stand before ${unknown}.`, `It does before ${known.join(', ')}.`);
  }
  // With its ostree layout kernel-install knows by itself what to do.
  const ostreeLayout = await hasOstreeLayout(root);
  for (const path of known) {
    const wanted = values.cliwrap === true || named?.some((name) => path.endsWith(`/${name}`)) === true;
    if (wanted && !(ostreeLayout && path.endsWith('/kernel-install'))) await wrap(root, path);
  }
}

async function wrap(root: string, path: string): Promise<void> {
  const program = entry(root, path);
  const there = (await kindOf(program)) !== undefined;
  if (!there && !ALWAYS.includes(path)) return;
  const name = path.slice(path.lastIndexOf('/') + 1);
  const moved = `${WRAPPED}/${name}`;
  if (there) {
    const target = entry(root, moved);
    await folderInTree(dirname(target));
    await rename(program, target);
  }
  const about = there ? `# rpm-ostree answers for this program, which is now at ${moved}.` : '# rpm-ostree answers.';
  await replaceInTree(program, `#!/bin/sh\n${about}\nexec /usr/bin/rpm-ostree cliwrap $0 "$@"\n`, 0o755);
}

async function hasOstreeLayout(root: string): Promise<boolean> {
  for (const folder of ['/usr/lib/kernel', '/etc/kernel']) {
    const files = [`${folder}/install.conf`];
    for (const name of await namesIn(at(root, `${folder}/install.conf.d`))) {
      files.push(`${folder}/install.conf.d/${name}`);
    }
    for (const file of files) {
      const text = await readInTree(at(root, file));
      if (text !== undefined && /^layout=ostree$/m.test(text)) return true;
    }
  }
  return false;
}
