import { NightlyError } from '../../base/errors.ts';
import { oneLine } from '../../base/one-line.ts';
import type { Entry, Scan } from './scan-folder.ts';
import type { TreeNames } from './tree-names.ts';
import { isBuilders, type TreeSettings } from './tree-plan.ts';

export interface TreeRules extends TreeSettings {
  /** Whether there must be a kernel with its initramfs. */
  readonly bootable: boolean;
}

/** So many paths are named of each kind of fault; thousands would hide the others. */
const NAMED = 50;

/** One thing that keeps a folder from becoming a tree. */
interface Fault {
  readonly what: string;
  readonly paths: readonly string[];
}

/**
 * Refuses a folder that ostree or a host could not take, with everything that is wrong at once.
 * @returns the kernel's version; undefined where the tree has none
 * @throws NightlyError `compose`
 */
export function checkTree(scan: Scan, rules: TreeRules, names: TreeNames): string | undefined {
  const { kver, faults: ofKernel } = checkKernel(scan, rules.bootable);
  const faults = [
    ...checkLayout(scan),
    ...ofKernel,
    ...checkVar(scan, rules),
    ...checkKinds(scan),
    ...checkOwners(scan, rules, names),
    { what: 'name that is not UTF-8, which ostree cannot store', paths: scan.strange },
    { what: 'something is mounted here', paths: scan.mounts },
    { what: 'is deeper than a program can name (4,095 bytes with the folder itself)', paths: scan.deep },
  ].filter(({ paths }) => paths.length > 0);
  if (faults.length === 0) return kver;
  const lines = faults.flatMap(({ what, paths }) => {
    const shown = paths.slice(0, NAMED).map((path) => `  ${oneLine(path)}: ${what}`);
    return paths.length > NAMED ? [...shown, `  and ${paths.length - NAMED} more: ${what}`] : shown;
  });
  throw new NightlyError('compose', [`${scan.root} cannot be committed:`, ...lines].join('\n'), {
    hint: 'Nothing in it was changed. Correct what fills it; "owner" and "var" of the engine say what may be mapped (docs/any-tree.md).',
  });
}

function checkLayout({ entries }: Scan): Fault[] {
  const at = (path: string): Entry | undefined => entries.find((entry) => entry.path === path);
  const [usr, etc, usrEtc, ofVar] = [at('/usr'), at('/etc'), at('/usr/etc'), at('/var')];
  const faults: Fault[] = [];
  if (usr?.kind !== 'folder') faults.push({ what: usr ? 'is not a folder' : 'is missing', paths: ['/usr'] });
  if (etc && usrEtc) faults.push({ what: 'is there beside /usr/etc, which is its place in a tree', paths: ['/etc'] });
  if (etc && etc.kind !== 'folder') faults.push({ what: 'is not a folder', paths: ['/etc'] });
  if (usrEtc && usrEtc.kind !== 'folder') faults.push({ what: 'is not a folder', paths: ['/usr/etc'] });
  // Hosts mount theirs over it.
  if (ofVar && ofVar.kind !== 'folder') faults.push({ what: 'is not a folder', paths: ['/var'] });
  return faults;
}

/** The one place where hosts look for both (ostree-sysroot-deploy.c). */
const MODULES = /^\/usr\/lib\/modules\/([^/]+)\/(vmlinuz|initramfs\.img)$/;

function checkKernel(
  { entries }: Scan,
  bootable: boolean,
): { readonly kver?: string | undefined; readonly faults: Fault[] } {
  const kernels = new Map<string, Set<string>>();
  for (const { path, kind } of entries) {
    const [, version = '', file = ''] = MODULES.exec(path) ?? [];
    if (kind === 'file' && file !== '') kernels.set(version, (kernels.get(version) ?? new Set()).add(file));
  }
  const whole = [...kernels].filter(([, files]) => files.size === 2).map(([version]) => version);
  const [kver] = whole;
  if (!bootable) return { kver, faults: [] };
  const of = (version: string) => `/usr/lib/modules/${version}`;
  const halves = [...kernels].filter(([, files]) => files.size === 1);
  const faults: Fault[] = halves.map(([version, files]) => ({
    what: files.has('vmlinuz')
      ? 'has vmlinuz and no initramfs.img beside it'
      : 'has initramfs.img and no vmlinuz beside it',
    paths: [of(version)],
  }));
  if (kernels.size === 0) {
    faults.push({
      what: 'has no kernel: a bootable tree needs vmlinuz and initramfs.img in a folder named after its version',
      paths: ['/usr/lib/modules'],
    });
  }
  if (whole.length > 1) faults.push({ what: 'is one of several kernels; a tree has one', paths: whole.map(of) });
  return { kver, faults };
}

function checkVar({ entries }: Scan, rules: TreeRules): Fault[] {
  if (rules.var === 'tmpfiles') return [];
  const paths = entries
    .filter(({ path, kind }) => path.startsWith('/var/') && kind !== 'folder')
    .map(({ path }) => path);
  return [{ what: 'is below /var, which hosts fill themselves (see "var: tmpfiles")', paths }];
}

function checkKinds({ entries }: Scan): Fault[] {
  return (['socket', 'FIFO', 'device'] as const).map((kind) => ({
    what: `is a ${kind}, which a commit cannot hold`,
    paths: entries.filter((entry) => entry.kind === kind).map(({ path }) => path),
  }));
}

function checkOwners({ entries }: Scan, { owner }: TreeRules, names: TreeNames): Fault[] {
  if (owner !== 'keep') return [];
  const found = new Map<string, string[]>();
  for (const { path, stat } of entries) {
    if (path === '/') continue;
    const [uid, gid] = [Number(stat.uid), Number(stat.gid)];
    if (!isBuilders(uid, names.users) && !isBuilders(gid, names.groups)) continue;
    const what = `belongs to ${uid}:${gid}, whom the tree does not name (see "owner")`;
    const paths = found.get(what) ?? [];
    paths.push(path);
    found.set(what, paths);
  }
  return [...found].map(([what, paths]) => ({ what, paths }));
}
