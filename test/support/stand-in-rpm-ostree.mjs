#!/usr/bin/env node
// Stands in for rpm-ostree in tests: the options, output, exit codes and files of 2018.7, 2020.8 and 2026.2 as measured
// on real builds. RPM_OSTREE_STAND_IN names a folder with state.json (what to pretend) and calls.ndjson (its call log).
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const home = process.env.RPM_OSTREE_STAND_IN;
const state = JSON.parse(readFileSync(join(home, 'state.json'), 'utf8'));
const argv = process.argv.slice(2);
const call = {
  argv,
  cwd: process.cwd(),
  epoch: process.env.SOURCE_DATE_EPOCH,
  tty: Boolean(process.stdout.isTTY || process.stderr.isTTY),
};
appendFileSync(join(home, 'calls.ndjson'), `${JSON.stringify(call)}\n`);

const VALUED_2018 = [
  'repo',
  'cachedir',
  'workdir',
  'proxy',
  'touch-if-changed',
  'add-metadata-string',
  'add-metadata-from-json',
  'write-commitid-to',
  'output-repodata-dir',
];
const FLAGS_2018 = ['unified-core', 'force-nocache', 'cache-only', 'download-only', 'dry-run', 'print-only'];
const VALUED_2020 = ['write-composejson-to', 'previous-commit', 'parent', 'ex-write-lockfile-to', 'ex-lockfile'];
const FLAGS_2020 = ['download-only-rpms', 'no-parent', 'ex-lockfile-strict'];
const VALUED_2026 = ['previous-inputhash', 'previous-version', 'layer-repo', 'source-root'];
const FLAGS_2026 = ['disable-selinux'];
const year = Number(state.version.slice(0, 4));
const valued = new Set([...VALUED_2018, ...(year >= 2020 ? VALUED_2020 : []), ...(year >= 2024 ? VALUED_2026 : [])]);
const flags = new Set([...FLAGS_2018, ...(year >= 2020 ? FLAGS_2020 : []), ...(year >= 2024 ? FLAGS_2026 : [])]);
const valuesOf = (name) => options.filter(([key]) => key === name).map(([, value]) => value);
const lastOf = (name) => valuesOf(name).at(-1);
const options = [];
const words = [];

function fail(message, code = 1) {
  process.stderr.write(`error: ${message}\n`);
  process.exit(code);
}

function ostree(args, env = process.env) {
  return execFileSync('ostree', args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

function tryOstree(args) {
  try {
    return ostree(args);
  } catch {
    return undefined;
  }
}

if (argv[0] === '--version') {
  process.stdout.write(`rpm-ostree:\n Version: '${state.version}'\n Git: 0000000\n Features:\n  - compose\n  - rust\n`);
  process.exit(0);
}
if (argv[0] !== 'compose' || argv[1] !== 'tree') fail(`Unknown command '${argv[0]}'`);
if (argv[2] === '--help') {
  const lines = [...valued].map((name) => `  ${name === 'repo' ? '-r, ' : ''}--${name}=VALUE    …`);
  process.stdout.write(
    `Usage:\n  rpm-ostree compose tree [OPTION…] TREEFILE\n\nApplication Options:\n${lines.join('\n')}\n${[...flags].map((name) => `  --${name}    …`).join('\n')}\n`,
  );
  process.exit(0);
}
for (const word of argv.slice(2)) {
  const [, name, value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(word) ?? [];
  if (name === undefined) words.push(word);
  else if (!(value === undefined ? flags : valued).has(name)) fail(`Unknown option --${name}`);
  else options.push([name, value ?? true]);
}

const unified = lastOf('unified-core');
const repo = lastOf('repo');
const cachedir = lastOf('cachedir');
const treefilePath = words[0];
process.stderr.write(`rpm-ostree version: ${state.version}\n`);
if (state.fail) fail(state.fail.message, state.fail.code);
if (!existsSync(cachedir)) fail(`Opening cachedir: opendir(${cachedir}): No such file or directory`);
if (!unified && !existsSync(lastOf('workdir'))) fail('opendir: No such file or directory');
if (!existsSync(treefilePath)) fail(`Failed to load treefile: Can't open file "${treefilePath}" for reading`);
if (year < 2020 && unified && !readFileSync(join(repo, 'config'), 'utf8').includes('mode=bare-user\n')) {
  fail('--ex-unified-core requires a bare-user repository');
}
const treefile = readFileSync(treefilePath, 'utf8');
const ref = /"?ref"?:\s*"?([^",\s]+)/.exec(treefile)?.[1];
const repoId = /"repos":\s*\[\s*"([^"]+)"/.exec(treefile)?.[1] ?? 'lab';
const stray = mkdtempSync(join(year < 2020 && unified ? join(repo, 'tmp') : cachedir, 'rpm-ostree-compose.'));
const temporary = mkdtempSync(join(home, 'var-tmp', 'rpm-ostree.'));
const finish = () => {
  for (const path of [stray, temporary]) rmSync(path, { recursive: true, force: true });
  process.exit(0);
};

/** Seconds since the epoch of the repository's metadata. */
const generated = state.generated ?? Date.UTC(2026, 10, 21, 2, 40, 54) / 1000;
const iso = new Date(generated * 1000).toISOString().replace('.000Z', 'Z');

function swapped(seconds) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(seconds));
  return bytes.readBigUInt64LE();
}

/** As the installed rpm keeps it; `rpmdb --importdb` takes headers, one behind another (rpm's lib/header.c). */
function writeRpmDatabase(installed, folder) {
  const headers = Object.entries(installed).map(([name, evra]) => {
    const [, epoch, version, rel, arch] = /^(?:(\d+):)?(.+)-([^-]+)\.([^.]+)$/.exec(evra);
    const number = Buffer.alloc(4);
    number.writeUInt32BE(Number(epoch ?? 0));
    const text = (value) => Buffer.from(`${value}\0`);
    const values = [
      ...(epoch === undefined ? [] : [[1003, 4, number]]),
      ...[
        [1000, 6, text(name)],
        [1001, 6, text(version)],
        [1002, 6, text(rel)],
        [1021, 6, text('linux')],
      ],
      [1022, 6, text(arch)],
    ];
    let offset = 0;
    const index = values.map(([tag, type, { length }]) => {
      const entry = Buffer.alloc(16);
      for (const [at, value] of [tag, type, offset, 1].entries()) entry.writeUInt32BE(value, 4 * at);
      offset += length;
      return entry;
    });
    const start = Buffer.from([0x8e, 0xad, 0xe8, 1, ...Array.from({ length: 12 }, () => 0)]);
    start.writeUInt32BE(values.length, 8);
    start.writeUInt32BE(offset, 12);
    return Buffer.concat([start, ...index, ...values.map(([, , data]) => data)]);
  });
  mkdirSync(folder, { recursive: true });
  execFileSync('rpmdb', ['--dbpath', folder, '--importdb'], { input: Buffer.concat(headers) });
  for (const name of ['.rpm.lock', 'rpmdb.sqlite-shm', 'rpmdb.sqlite-wal']) rmSync(join(folder, name), { force: true });
}

function packageTuples() {
  return Object.entries(packages)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, evra]) => {
      const [, epoch = '0', version, rel, arch] = /^(?:(\d+):)?(.+)-([^-]+)\.([^.]+)$/.exec(evra);
      return `('${name}', '${epoch}', '${version}', '${rel}', '${arch}')`;
    });
}

let previous = lastOf('previous-commit');
if (previous === undefined && ref !== undefined) {
  previous = tryOstree(['rev-parse', `--repo=${repo}`, ref]);
  console.log(previous === undefined ? `No previous commit for ${ref}` : `Previous commit: ${previous}`);
}
console.log(`Enabled rpm-md repositories: ${repoId}`);
console.log(`rpm-md repo '${repoId}'; generated: ${year < 2020 ? iso.replace('T', ' ').replace('Z', '') : iso}`);
let packages = state.packages;
const locks = lastOf('ex-lockfile');
if (locks !== undefined) {
  console.log(`Loaded lockfiles:\n  ${locks}`);
  const locked = JSON.parse(readFileSync(locks, 'utf8')).packages;
  const available = { ...state.packages, ...state.older };
  for (const [name, { evra }] of Object.entries(locked)) {
    if (![state.packages[name], state.older?.[name]].includes(evra)) {
      process.stderr.write(`warning: Couldn't find locked package '${name}-${evra}'\n`);
      fail(
        'Could not depsolve transaction; 1 problem detected:\n Problem: package is filtered out by exclude filtering',
      );
    }
    available[name] = evra;
  }
  packages = Object.fromEntries(Object.keys(locked).map((name) => [name, available[name]]));
}
console.log(`Installing ${Object.keys(packages).length} packages:`);
for (const [name, evra] of Object.entries(packages)) console.log(`  ${name}-${evra} (lab)`);
const inputHash = createHash('sha256')
  .update(treefile)
  .update(JSON.stringify(Object.entries(packages).sort()))
  // As rpm-ostree does, by the checksums of the files: a package that is signed again counts.
  .update(JSON.stringify(state.digests ?? {}))
  .digest('hex');
console.log(`Input state hash: ${inputHash}`);
const out = lastOf('ex-write-lockfile-to');
if (out !== undefined) {
  const made = (evra) => `sha256:${createHash('sha256').update(evra).digest('hex')}`;
  const digest = (name, evra) => state.digests?.[`${name}-${evra}`] ?? made(evra);
  const locked = Object.entries(packages).map(([name, evra]) => [name, { evra, digest: digest(name, evra) }]);
  const metadata = { generated: '2026-11-21T03:00:00Z', rpmmd_repos: { [repoId]: { generated: iso } } };
  writeFileSync(out, JSON.stringify({ packages: Object.fromEntries(locked), metadata }));
}
if (!lastOf('force-nocache') && previous !== undefined) {
  const before = tryOstree(['show', `--repo=${repo}`, '--print-metadata-key=rpmostree.inputhash', previous]);
  if (before === `'${inputHash}'`) {
    console.log(
      `No apparent changes since previous commit${lastOf('dry-run') ? '.' : '; use --force-nocache to override'}`,
    );
    finish();
  }
}
if (lastOf('dry-run')) {
  console.log('--dry-run complete; exiting');
  finish();
}
console.log(`Will download: ${Object.keys(packages).length} packages (1.2 MB)`);
if (state.hang) {
  writeFileSync(join(home, 'hanging'), '');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 120_000);
}
if (state.dies) {
  // As rofiles-fuse is left behind, which it starts for the scripts of packages.
  mkdirSync(join(home, 'var-tmp', 'rpmostree-rofiles-fuse.stand-in'));
  process.stderr.write(state.dies.says ?? '');
  process.kill(process.pid, state.dies.signal);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 120_000);
}
// The %post of a package: where its output goes is decided by what the standard output is, or seems to be.
const release = Number(state.version.slice(5));
const socket = fstatSync(1).isSocket() || fstatSync(2).isSocket();
if (year < 2020 || (year === 2020 && release <= 10)) {
  if (socket) fail('Running %post for app: While creating stdout stream fd: No such file or directory');
} else if (process.env.INVOCATION_ID !== undefined) {
  fail('Running %post for app: its output went to the journal (INVOCATION_ID is set)');
}
console.log('Running post scripts...done');
// The second night of these releases, see src/engines/rpm-ostree/keys-by-release.ts.
const between = (year > 2018 || release >= 10) && (year < 2021 || (year === 2021 && release <= 1));
if (between && previous !== undefined && !/"preserve-passwd":\s*false/.test(treefile)) {
  fail('openat(etc/passwd): No such file or directory');
}
const tree = join(stray, 'rootfs');
mkdirSync(join(tree, 'usr/lib/modules/6.1.0'), { recursive: true });
mkdirSync(join(tree, 'usr/share'), { recursive: true });
writeFileSync(join(tree, 'usr/lib/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
writeFileSync(join(tree, 'usr/lib/group'), 'root:x:0:\n');
mkdirSync(join(tree, 'usr/etc'));
for (const name of ['passwd', 'group']) writeFileSync(join(tree, 'usr/etc', name), '');
writeFileSync(join(tree, 'usr/lib/modules/6.1.0/vmlinuz'), 'kernel');
if (!state.noInitramfs) writeFileSync(join(tree, 'usr/lib/modules/6.1.0/initramfs.img'), 'initramfs');
if (state.rpmdb) execFileSync('cp', ['-r', state.rpmdb, join(tree, 'usr/share/rpm')]);
else writeRpmDatabase(state.installs ?? packages, join(tree, 'usr/share/rpm'));
writeFileSync(join(tree, 'usr/share/packages'), JSON.stringify(packages));
mkdirSync(join(tree, 'usr/share/rpm-ostree'));
writeFileSync(join(tree, 'usr/share/rpm-ostree/treefile.json'), '{}\n');
for (const [path, text] of Object.entries(state.files ?? {})) {
  mkdirSync(join(tree, path, '..'), { recursive: true });
  writeFileSync(join(tree, path), text);
}
let parent = lastOf('parent');
if (parent === undefined && ref !== undefined && !lastOf('no-parent'))
  parent = tryOstree(['rev-parse', `--repo=${repo}`, ref]);
const environment = { ...process.env };
if (state.ignoresTime) delete environment.SOURCE_DATE_EPOCH;
const idFile = lastOf('write-commitid-to');
const commit = ostree(
  [
    'commit',
    `--repo=${repo}`,
    ...(idFile === undefined ? [`--branch=${ref}`] : ['--orphan']),
    `--parent=${parent ?? 'none'}`,
    `--tree=dir=${tree}`,
    '--canonical-permissions',
    '--no-bindings',
    ...valuesOf('add-metadata-string').map((pair) => `--add-metadata-string=${pair}`),
    `--add-metadata-string=rpmostree.inputhash=${inputHash}`,
    // Big-endian, as all that rpm-ostree writes; ostree takes the machine's order.
    `--add-metadata=rpmostree.rpmmd-repos=@aa{sv} [{'id': <'${repoId}'>, 'timestamp': <uint64 ${swapped(generated)}>}]`,
    ...(state.noPackageList
      ? []
      : [`--add-metadata=rpmostree.rpmdb.pkglist=@a(sssss) [${packageTuples().join(', ')}]`]),
    '--add-metadata=rpmostree.initramfs-args=@as []',
  ],
  environment,
);
if (year < 2020 || idFile !== undefined) console.log(`Wrote commit: ${commit}`);
if (idFile === undefined) console.log(`${ref} => ${commit}`);
else writeFileSync(idFile, commit);
const composeJson = lastOf('write-composejson-to');
if (composeJson !== undefined) {
  const shown = ostree(['show', `--repo=${repo}`, commit]);
  const content = /ContentChecksum:\s+([0-9a-f]{64})/.exec(shown)[1];
  writeFileSync(
    composeJson,
    JSON.stringify({ 'ostree-commit': commit, 'ostree-content-checksum': content, 'rpm-ostree-inputhash': inputHash }),
  );
}
process.stderr.write('dracut: *** Creating image file done ***\n');
finish();
