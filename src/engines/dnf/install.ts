import { dirname, join } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import { rpmMacro } from '../../base/quoting.ts';
import type { Task } from '../../base/task.ts';
import { rpmFileName } from '../../rpm/evr.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import { callHelper, type HelperError } from './dnf-helper.ts';
import type { DescribedPackage } from './dnf-request.ts';
import { besideTree, treeEnvironment } from './namespace.ts';
import { EXTRANEOUS } from './tree/extraneous.ts';
import type { Seed } from './tree/user-seeds.ts';

const installed = z.object({ files: z.record(z.string(), z.array(z.string())) });

/** Machines that run programs of two architectures. */
const MULTILIB: ReadonlySet<string> = new Set(['x64', 's390x']);

/**
 * Installs packages into an empty root with librpm, scripts and triggers included; the database goes to
 * usr/share/rpm. `users` are put into the tree's account files as soon as these exist, so that a package's script
 * finds its user and the id stays what it was.
 * @returns the files of each package that `remove-from-packages` names, and of those whose strays are left out.
 * @throws NightlyError `compose` when a script fails, `depsolve`, `disk-full`.
 */
export async function installPackages(
  request: {
    readonly root: string;
    readonly packages: readonly DescribedPackage[];
    readonly treefile: Treefile;
    readonly timestamp: number;
    readonly users: Seed;
    readonly cacheDir: string;
  },
  task: Task,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const { root, treefile, timestamp, users } = request;
  const { values } = treefile;
  for (const name of ['dev', 'proc', 'etc']) await makeFolder(join(root, name));
  const langs = values['install-langs'];
  const { files } = await callHelper(
    {
      verb: 'install',
      request: {
        root,
        rpms: inOrder(request.packages),
        nodocs: values.documentation === false,
        macros: {
          _dbpath: '/usr/share/rpm',
          // rpm's own default differs from distribution to distribution.
          _install_script_path: treeEnvironment(timestamp).PATH,
          // Checked before the first file was touched, once for each package and set of keys.
          _pkgverify_level: 'none',
          // Two architectures of one library may share files, and the host's own has its programs (as Fedora's rpm is set).
          ...(MULTILIB.has(process.arch) ? { _transaction_color: '3' } : {}),
          // Plugins of the host (inhibit locks, audit, syslog) have no business in a tree.
          __transaction_systemd_inhibit: '%{nil}',
          __transaction_syslog: '%{nil}',
          __transaction_audit: '%{nil}',
          ...(langs === undefined || langs.length === 0 ? {} : { _install_langs: rpmMacro(langs.join(':')) }),
        },
        users,
        listFilesOf: [...(values['remove-from-packages'] ?? []).map(([name]) => name), ...EXTRANEOUS],
      },
      result: installed,
      fail: (error, stderr) => failure(error, stderr, task),
      home: join(request.cacheDir, 'home'),
      wrap: (argv, helper) => besideTree(root, argv, { timestamp, readable: [helper, ...foldersOf(request.packages)] }),
    },
    task,
  );
  return new Map(Object.entries(files));
}

/** The cause first: rpm prints it on standard error, where scripts print as well. */
function failure({ kind, message }: HelperError, stderr: string, task: Task): NightlyError {
  const log = { hint: 'What it printed is in the step log.', log: task.logFile };
  const lines = stderr.trimEnd().split('\n');
  const causes = lines.filter((line) => /^error: .*unpack|cpio/.test(line)).map((line) => line.replace(/^error: /, ''));
  switch (kind) {
    case 'depsolve':
      return new NightlyError('depsolve', `rpm refuses the packages:\n${message}`);
    case 'package':
      return new NightlyError(
        'compose',
        `An OSTree commit cannot hold what packages have:\n  ${message.replaceAll('\n', '\n  ')}`,
        {
          hint: 'Exclude the package, or have it make this at run time (tmpfiles.d).',
        },
      );
    case 'unpack':
      return new NightlyError('compose', [`A package could not be unpacked: ${message}.`, ...causes].join('\n'), log);
    case 'script': {
      const said = lines.slice(-5).join('\n');
      return new NightlyError('compose', `A package's script failed: ${message}.${said && `\n${said}`}`, log);
    }
    case 'missing':
    case 'repo':
    case 'config':
    case 'install':
      return new NightlyError('compose', `rpm could not install: ${message}`, log);
  }
}

/**
 * Paths of the RPM files, in an order that does not depend on where they lie: rpm takes packages that do not need each other
 * in the order it is given them, and its database has that order (I10).
 */
function inOrder(packages: readonly DescribedPackage[]): string[] {
  return packages
    .map(({ name, evra, path }) => ({ key: rpmFileName(name, evra), path }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ path }) => path);
}

const foldersOf = (packages: readonly DescribedPackage[]): string[] => [
  ...new Set(packages.map(({ path }) => dirname(path))),
];
