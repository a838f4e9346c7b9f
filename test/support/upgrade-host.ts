import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { signCheckpoint } from '../../src/log/checkpoint.ts';
import { grow, NO_TREE } from '../../src/log/grow.ts';
import { proveInclusion } from '../../src/log/inclusion.ts';
import type { NoteSigner } from '../../src/log/note-keys.ts';
import { formatProof } from '../../src/log/proof-file.ts';
import { openTileTree } from '../../src/log/tile-tree.ts';
import { run } from '../../src/programs/exec.ts';
import { parseAdminStatus } from '../../src/programs/ostree-admin.ts';
import { formatEntry } from '../../src/published/log-entry.ts';
import { commitProofPath } from '../../src/published/paths.ts';
import { LOG, VECTORS } from './log-files.ts';
import { commitTestTree, TEST_REF, TEST_TIME } from './ostree-repo.ts';
import { writeLog } from './served-log.ts';
import type { TestKey } from './signing-key.ts';
import { runScript } from './verify-script.ts';

const SCRIPT = new URL('../../verify/upgrade.sh', import.meta.url).pathname;
/** Without these ostree makes the root of a deployment immutable. */
const SCRATCH = { OSTREE_SYSROOT_DEBUG: 'mutable-deployments' };

/** A publisher with a repository and a release log, both served, and a host that follows it, as a folder. */
export interface UpgradeBed {
  /** Commits a tree with a kernel, signed, and has the ref name it. */
  publish(version: string): Promise<string>;
  /** Logs so many entries about other things. */
  logOthers(count: number, mark?: string): void;
  /** Logs a commit, and publishes its proof. */
  logCommit(commit: string): Promise<void>;
  /** Everything that the log has. */
  entries: Buffer[];
  /** Writes the log as it is; all but its entries may be another's. */
  serve(log?: NoteSigner): void;
  upgrade(options?: readonly string[], env?: Readonly<Record<string, string>>): Promise<{ code: number; said: string }>;
  /** Commits that the host has deployed, the newest first; and what its ref names. */
  deployed(): Promise<readonly string[]>;
  refNames(): Promise<string>;
  /** Where the host remembers what it saw. */
  readonly state: string;
  readonly policy: string;
}

export async function upgradeBed(
  dir: string,
  {
    url,
    far,
    key,
    shell,
  }: { readonly url: string; readonly far: string; readonly key: TestKey; readonly shell: readonly string[] },
): Promise<UpgradeBed> {
  const [repo, sysroot, state, policy] = [
    join(far, 'repo'),
    join(dir, 'host'),
    join(dir, 'state'),
    join(dir, 'policy'),
  ];
  await run('ostree', [`--repo=${repo}`, 'init', '--mode=archive']);
  writeFileSync(policy, `log ${VECTORS.logVkey}\nquorum none\n`);
  mkdirSync(sysroot);
  const inner = join(sysroot, 'ostree/repo');
  const ostree = async (...args: readonly string[]) => (await run('ostree', args, { env: SCRATCH })).stdout;
  await ostree('admin', 'init-fs', sysroot);
  await ostree('admin', 'os-init', `--sysroot=${sysroot}`, 'lab');
  await ostree('config', `--repo=${inner}`, 'set', 'sysroot.bootloader', 'none');
  const gpg = `--gpg-import=${key.publicKeyFile}`;
  await ostree('remote', 'add', `--repo=${inner}`, gpg, 'origin', `${url}/repo`);
  let published = 0;
  let parent: string | undefined;
  const bed: UpgradeBed = {
    ...{ entries: [], state, policy },
    async publish(version) {
      published += 1;
      const tree = {
        'usr/lib/modules/6.1.0/vmlinuz': 'a kernel',
        'usr/lib/modules/6.1.0/initramfs.img': 'an initramfs',
        'usr/etc/os-release': `ID=lab\nPRETTY_NAME=lab ${version}\n`,
        'usr/lib/os-release': `ID=lab\nPRETTY_NAME=lab ${version}\n`,
      };
      const args = [`--gpg-sign=${key.key}`, `--gpg-homedir=${key.home}`];
      const commit = await commitTestTree({
        repo,
        tree,
        timestamp: TEST_TIME + published,
        version,
        args,
        ...(parent && { parent }),
      });
      parent = commit;
      await ostree(`--repo=${repo}`, 'refs', '--force', `--create=${TEST_REF}`, commit);
      await ostree(`--repo=${repo}`, 'summary', '--update');
      return commit;
    },
    logOthers(count, mark = 'other') {
      for (let number = 0; number < count; number += 1)
        bed.entries.push(Buffer.from(`${mark} ${bed.entries.length}\n`));
    },
    async logCommit(commit) {
      const [entry = Buffer.alloc(0)] = formatEntry({ kind: 'ref', ref: TEST_REF, commit, timestamp: TEST_TIME });
      const index = bed.entries.push(entry) - 1;
      const grown = grow(NO_TREE, bed.entries);
      const files = new Map(grown.files.map(({ path, content }) => [path, content]));
      const open = await openTileTree(async (path) => files.get(path), grown, 'log');
      const hashes = await proveInclusion(open.nodeOf, index, grown.size);
      const head = { origin: LOG.name, size: grown.size, root: grown.root };
      const proof = formatProof({ extra: entry, index, hashes, checkpoint: signCheckpoint(head, LOG) });
      bed.serve();
      const path = join(far, commitProofPath(TEST_REF, commit));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, proof);
    },
    serve(log = LOG) {
      const proofs = join(far, 'log/proofs');
      const aside = join(dir, 'proofs');
      if (existsSync(proofs)) cpSync(proofs, aside, { recursive: true });
      writeLog(far, { entries: bed.entries, log, origin: LOG.name });
      if (existsSync(aside)) cpSync(aside, proofs, { recursive: true });
    },
    async upgrade(options = ['--os=lab'], env = {}) {
      const args = ['-p', policy, '-s', state, `origin:${TEST_REF}`, ...options];
      return runScript(shell, SCRIPT, args, dir, { OSTREE_SYSROOT: sysroot, ...SCRATCH, ...env });
    },
    async deployed() {
      return parseAdminStatus(await ostree('admin', 'status', `--sysroot=${sysroot}`)).map(({ commit }) => commit);
    },
    async refNames() {
      return (await ostree(`--repo=${inner}`, 'rev-parse', `origin:${TEST_REF}`)).trim();
    },
  };
  // As it was installed.
  const first = await bed.publish('1');
  await ostree('pull', `--repo=${inner}`, 'origin', TEST_REF);
  await ostree('admin', 'deploy', `--sysroot=${sysroot}`, '--os=lab', `origin:${TEST_REF}`);
  bed.logOthers(3);
  await bed.logCommit(first);
  return bed;
}
