import { rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../../base/errors.ts';
import { policyName, requireStraightPolicy } from '../../../base/selinux-config.ts';
import type { Task } from '../../../base/task.ts';
import {
  folderInTree,
  kindOf,
  namesIn,
  readInTree,
  replaceInTree,
  requirePlainFiles,
  rewriteInTree,
} from '../../../base/tree-files.ts';
import { run } from '../../../programs/exec.ts';
import { inTree } from '../namespace.ts';
import { program } from './system.ts';
import { at, entry } from './tree-paths.ts';

const SELINUX = 'usr/etc/selinux';
/** Where libsemanage keeps modules unless semanage.conf says otherwise. */
const VAR_STORE = 'var/lib/selinux';
const STORE_ROOT = 'store-root=/etc/selinux';
/** What is in a store that has modules; folders of other things have none. */
const MODULES = 'active/modules';

/**
 * Moves the modules of SELinux policies from /var to /etc, and tells libsemanage where they are. A commit carries
 * nothing in /var, so on hosts `semodule`, `semanage` and `setsebool -P` would find no policy to change. Called when
 * package scripts have run and before the treefile's own, which see the modules where hosts have them.
 * @throws NightlyError `compose` when a policy has modules in both places.
 */
export async function movePolicyStore(root: string): Promise<void> {
  let moved = false;
  for (const name of await namesIn(at(root, VAR_STORE))) {
    const from = entry(root, VAR_STORE, name);
    if ((await kindOf(from)) !== 'dir' || !(await kindOf(entry(root, VAR_STORE, name, MODULES)))) continue;
    await moveStore(from, at(root, SELINUX, name), name);
    moved = true;
  }
  if (!moved) return;
  // What is left are folders libsemanage works in; tmpfiles.d makes a link of this place on hosts.
  await rm(entry(root, VAR_STORE), { recursive: true });
  await setStoreRoot(at(root, SELINUX, 'semanage.conf'));
}

async function moveStore(from: string, to: string, name: string): Promise<void> {
  if (await kindOf(join(to, 'active'))) {
    throw new NightlyError(
      'compose',
      `The SELinux policy ${name} has modules in both /${VAR_STORE} and /etc/selinux.`,
      {
        hint: 'A package has store-root in /etc/selinux/semanage.conf changed and a policy package does not know it; remove one of the two.',
      },
    );
  }
  await folderInTree(to);
  for (const entry of await namesIn(from)) await rename(join(from, entry), join(to, entry));
}

/** The last of several lines counts (semanage.conf(5) does not say so; its parser keeps the last). */
async function setStoreRoot(path: string): Promise<void> {
  const old = (await readInTree(path)) ?? '';
  const last = old.match(/^store-root.*$/gm)?.at(-1);
  if (last?.replaceAll(' ', '') === STORE_ROOT) return;
  const text = `${old}${old === '' || old.endsWith('\n') ? '' : '\n'}${STORE_ROOT}\n`;
  await (old === '' ? replaceInTree(path, text) : rewriteInTree(path, text));
}

/**
 * Brings the policy that hosts load up to date with all that was done to the tree: compiled once more, as users and the
 * place of home directories decide labels of homes; labels for the places an OSTree host has beside a common one's.
 * Called when nothing else changes users or policy. A tree without a policy is left as it is.
 * @throws NightlyError `compose` when the policy does not compile.
 */
export async function settlePolicy(
  tree: { readonly root: string; readonly timestamp: number; readonly compile: boolean },
  task: Task,
): Promise<void> {
  const { root } = tree;
  const name = await policyName(at(root, 'usr/etc/selinux/config'));
  if (name === undefined || !(await kindOf(at(root, SELINUX, name)))) return;
  if (tree.compile) await compilePolicy(tree, name, task);
  const contexts = at(root, SELINUX, name, 'contexts/files');
  await requirePlainFiles(contexts);
  await addSubstitutions(contexts);
  await preferTexts(contexts);
  for (const other of await namesIn(at(root, SELINUX))) {
    if ((await kindOf(at(root, SELINUX, other))) !== 'dir') continue;
    for (const lock of ['semanage.trans.LOCK', 'semanage.read.LOCK']) {
      await rm(entry(root, SELINUX, other, lock), { force: true });
    }
  }
}

async function compilePolicy(
  { root, timestamp }: { readonly root: string; readonly timestamp: number },
  name: string,
  task: Task,
): Promise<void> {
  // Some policies are made of one file, which nothing on a host can change.
  if (!(await kindOf(at(root, SELINUX, name, MODULES)))) return;
  const semodule = await program(root, 'semodule');
  if (semodule === undefined) {
    task.say(`the tree has no semodule: its SELinux policy (${name}) stays as its package has it`);
    return;
  }
  const [command = '', ...args] = inTree(root, [semodule, '--noreload', '--build'], { timestamp });
  try {
    await run(command, args, { task });
  } catch (error) {
    if (!(error instanceof NightlyError) || error.code !== 'tool-failed') throw error;
    throw new NightlyError('compose', `The tree's SELinux policy (${name}) does not compile:\n${error.message}`, {
      hint: 'A package, or a script of the treefile, brought a module that does not fit the policy; what it printed is in the step log.',
      cause: error,
      log: task.logFile,
    });
  }
}

/**
 * Adds to file_contexts.subs_dist (selabel_file(5)), whose lines say "label what is below the first as if it were below
 * the second": homes, which are in /var and reached through /home; /usr/etc, where a commit has /etc; /usr/lib/opt.
 */
async function addSubstitutions(contexts: string): Promise<void> {
  const path = join(contexts, 'file_contexts.subs_dist');
  const old = await readInTree(path);
  if (old === undefined) return;
  await rewriteInTree(path, withSubstitutions(old, await homesOf(contexts)));
}

/**
 * Returns where the policy has the patterns for homes. They are made for the place that /etc/default/useradd names, and
 * for /home where it names none: the substitution has to lead there, or homes get no labels at all.
 */
async function homesOf(contexts: string): Promise<'/home' | '/var/home'> {
  const patterns = (await readInTree(join(contexts, 'file_contexts.homedirs'))) ?? '';
  return /^\/home\//m.test(patterns) && !/^\/var\/home\//m.test(patterns) ? '/home' : '/var/home';
}

/**
 * Returns the text of a file_contexts.subs_dist with an OSTree host's lines. Of two lines for one place the later
 * counts, so what leads the wrong way is put out of effect, and the others are added at the end.
 */
export function withSubstitutions(text: string, homes: '/home' | '/var/home'): string {
  const alias = homes === '/home' ? '/var/home' : '/home';
  const lines = text.replace(/\n$/, '').split('\n');
  const kept = lines.map((line) => (line.startsWith(`${homes} `) ? `# ${line}` : line));
  const inEtc = kept.filter((line) => line.startsWith('/etc/')).map((line) => `/usr${line}`);
  const wanted = [`${alias} ${homes}`, '/usr/etc /etc', ...inEtc, '/usr/lib/opt /opt'];
  const present = new Set(kept.map((line) => line.trim().split(/\s+/)[0]));
  const added = wanted.filter((line) => !present.has(line.split(' ')[0]));
  if (added.length === 0) return `${kept.join('\n')}\n`;
  return `${[...kept, '# Places of an OSTree host. Written by the compose.', ...added].join('\n')}\n`;
}

/**
 * Makes the texts newer than the binary forms of them, which libselinux then leaves alone: those hold expressions
 * compiled by the tree's PCRE, and the build host's, which labels the commit, may be another.
 */
async function preferTexts(contexts: string): Promise<void> {
  const now = new Date();
  for (const name of await namesIn(contexts)) {
    const text = join(contexts, name.replace(/\.bin$/, ''));
    if (name.endsWith('.bin') && (await kindOf(text)) === 'file') await utimes(text, now, now);
  }
}

/**
 * Checks that a tree that is to be labelled has the rules to do it by: those of the policy that hosts load.
 * @throws NightlyError `compose` when it has none, or reaches them through links.
 */
export async function requirePolicy(root: string): Promise<void> {
  const name = await policyName(at(root, 'usr/etc/selinux/config'));
  if (name !== undefined) {
    await requireStraightPolicy(root, 'usr/etc', name);
    if (await kindOf(at(root, SELINUX, name, 'contexts/files/file_contexts'))) return;
  }
  throw new NightlyError(
    'compose',
    `The treefile wants SELinux labels ("selinux" is true unless it says otherwise), but the tree ${
      name === undefined
        ? 'names no policy in /etc/selinux/config'
        : `has no labels of the policy ${name}, which /etc/selinux/config names`
    }.`,
    { hint: 'Add selinux-policy-targeted to "packages", or set "selinux: false".' },
  );
}
