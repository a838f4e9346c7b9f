import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BuildMeta } from '../../src/build/build-record.ts';
import { buildMetaText } from '../../src/build/build-record-format.ts';
import { buildPaths } from '../../src/build/build-store.ts';
import { run } from '../../src/programs/exec.ts';
import { type CliResult, runCli, startCli } from './world.ts';

/** Two builds with an image that nobody made, and programs that stand in for QEMU, ssh and what is in a guest. */
export interface GuestWorld {
  readonly dir: string;
  /** Build ids, oldest first. */
  readonly ids: readonly [string, string];
  /** For commands of the program: PATH and temporary folder. */
  readonly env: Readonly<Record<string, string>>;
  /** What is in the temporary folder, and in that for guests. */
  leftovers(): string[];
  cli(...args: readonly string[]): Promise<CliResult>;
  start(...args: readonly string[]): ReturnType<typeof startCli>;
}

export const COMMITS = ['a'.repeat(64), 'b'.repeat(64)] as const;

/**
 * A machine for as long as it runs: a port that greets as ssh does, a serial line as a file or a socket with a login, and a
 * folder with what the guest keeps. Where `panics` lies beside it, it says so and ends.
 */
const QEMU = `#!/usr/bin/env node
const { execFileSync } = require('node:child_process');
const { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, watchFile, writeFileSync } = require('node:fs');
const { createServer } = require('node:net');
const { join } = require('node:path');
const words = process.argv.slice(2);
const all = words.join(' ');
const home = process.env.STAND_IN_GUESTS;
appendFileSync(join(home, 'argv'), all + '\\n');
const port = Number(/hostfwd=tcp:127\\.0\\.0\\.1:(\\d+)-:22/.exec(all)[1]);
const log = (/logfile=([^ ,]+)/.exec(all) ?? /file:(\\S+)/.exec(all))[1];
const socket = /path=([^ ,]+)/.exec(all)?.[1];
const say = (text) => { appendFileSync(log, text); line?.write(text); };
let line;
if (existsSync(join(home, 'panics'))) { say('Kernel panic\\n'); process.exit(3); }
const state = join(home, String(port));
for (const name of ['lib', 'tmp']) mkdirSync(join(state, name), { recursive: true });
execFileSync('sh', ['-c', 'mkdir "$1/etc" && cp -a /etc/passwd /etc/group /etc/alternatives /etc/ld.so.* "$1/etc"', 'sh', state]);
writeFileSync(join(state, 'boot-id'), 'boot-1');
const disk = /file=([^ ,]*disk.qcow2)/.exec(all)[1];
const info = JSON.parse(execFileSync('qemu-img', ['info', '-U', '--output=json', disk]));
let commit = readFileSync(info['full-backing-filename']).includes('second') ? '${COMMITS[1]}' : '${COMMITS[0]}';
let version = 'x';
const builds = process.env.STAND_IN_BUILDS;
if (builds) {
  version = readdirSync(builds).sort().at(-1);
  commit = JSON.parse(readFileSync(join(builds, version, 'x86_64/meta.json')))['ostree-commit'];
}
writeFileSync(join(state, 'version'), version);
writeFileSync(join(state, 'booted'), commit);
if (socket) createServer((client) => {
  line = client;
  client.on('error', () => undefined);
  client.write('mini login: ');
  let typed = '';
  client.on('data', (bytes) => {
    typed += bytes;
    if (typed === 'nightly\\r') client.write('\\r\\nPassword: ');
    else if (/^nightly\\r[0-9a-f]{12}\\r$/.test(typed)) client.write('\\r\\nWelcome to mini\\r\\n');
  });
}).listen(socket);
createServer((client) => client.on('error', () => undefined).end('SSH-2.0-standin\\r\\n'))
  .listen(port, '127.0.0.1', () => say('mini login: \\n'));
watchFile(join(state, 'boot-id'), { interval: 50 }, () => say('Restarting\\nmini login: \\n'));
`;

/** ssh: the command runs on this machine, in a jail whose /var/lib and /tmp are the guest's; programs of a host are in /srv. */
const SSH = `#!/bin/bash
args=("$@")
while [ $# -gt 1 ]; do case $1 in -p) port=$2;; esac; shift; done
state=$STAND_IN_GUESTS/$port
(exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null || { echo "ssh: connection refused" >&2; exit 255; }
case $1 in
  'cat /proc/sys/kernel/random/boot_id') exec cat "$state/boot-id" ;;
esac
printf '%s\\n' "$1" >> "$STAND_IN_GUESTS/commands"
exec bwrap --die-with-parent --unshare-pid --ro-bind / / --dev /dev --proc /proc --bind "$state/lib" /var/lib \\
  --bind "$state/tmp" /tmp --bind "$state/etc" /etc --ro-bind "$state/boot-id" /proc/sys/kernel/random/boot_id \\
  --bind "$state" /mnt --ro-bind "$STAND_IN_GUESTS/guest-bin" /srv --setenv PATH "/srv:$PATH" --setenv TMPDIR /tmp \\
  --chdir / sh -c "$1"
`;

const IN_GUEST: Readonly<Record<string, string>> = {
  sudo: '#!/bin/sh\nexec "$@"\n',
  systemctl: `#!/bin/sh
case "$1" in
  reboot) [ ! -e /mnt/next ] || mv /mnt/next /mnt/booted
    rm -rf /tmp/*; n=$(cat /mnt/boot-id); echo "boot-$((\${n#boot-} + 1))" > /mnt/boot-id ;;
  is-system-running) echo running ;;
esac
`,
  ostree: `#!/bin/sh
booted=$(cat /mnt/booted)
next=$(cat /mnt/next 2>/dev/null || echo "$booted")
case "$*" in
  'admin status')
    [ "$next" = "$booted" ] || printf '  mini %s.0 (pending)\\n    Version: x\\n    origin refspec: mini:x\\n' "$next"
    printf '* mini %s.0\\n    Version: %s\\n    origin refspec: mini:x\\n' "$booted" "$(cat /mnt/version)" ;;
  'remote list') echo mini ;;
  'admin deploy '*) echo "\${*##* }" > /mnt/next ;;
  'admin upgrade '*--override-commit=*) echo "$*" | sed 's/.*--override-commit=//; s/ .*//' > /mnt/next ;;
  pull*) echo "$*" >> /mnt/pulled ;;
esac
`,
  journalctl: "#!/bin/sh\necho 'a line of the journal'\n",
};

/**
 * Puts the programs that stand in for QEMU, ssh and what is in a guest below a folder. Guests run the newest of these builds, or
 * what their image says. @returns the environment in which they are found
 */
export function standInPrograms(dir: string, builds?: string): Readonly<Record<string, string>> {
  const guests = join(dir, 'stand-in');
  const bin = join(dir, 'bin');
  for (const folder of [join(guests, 'guest-bin'), bin]) mkdirSync(folder, { recursive: true });
  const scripts = Object.entries(IN_GUEST).map(([name, text]) => [join(guests, 'guest-bin', name), text] as const);
  for (const [path, text] of [...scripts, [join(bin, 'qemu-system-x86_64'), QEMU], [join(bin, 'ssh'), SSH]] as const)
    writeFileSync(path, text, { mode: 0o755 });
  const path = `${bin}:${process.env['PATH']}`;
  return { PATH: path, STAND_IN_GUESTS: guests, ...(builds !== undefined && { STAND_IN_BUILDS: builds }) };
}

/** @param stream further keys of the stream, as lines of the configuration */
export async function makeGuestWorld(dir: string, stream: readonly string[] = []): Promise<GuestWorld> {
  const tmp = join(dir, 'tmp');
  mkdirSync(tmp, { recursive: true });
  writeFileSync(join(dir, 'tree.yaml'), 'ref: mini/x86_64/nightly\nrepos: [mini]\npackages: [bash]\n');
  writeFileSync(join(dir, 'atomic-nightly.yaml'), configText(dir, stream));
  const ids = ['20261120_01', '20261121_01'] as const;
  for (const [index, id] of ids.entries()) await writeBuild(dir, id, COMMITS[index] ?? '', index);
  const env = { ...standInPrograms(dir), TMPDIR: tmp };
  return {
    ...{ dir, ids, env },
    leftovers: () => [tmp, join(dir, 'work/guests')].flatMap((folder) => readdirSync(folder)),
    cli: (...args) => runCli(dir, args, env),
    start: (...args) => startCli(dir, args, env),
  };
}

async function writeBuild(dir: string, id: string, commit: string, index: number): Promise<void> {
  const paths = buildPaths(join(dir, 'work'), id, 'x86_64');
  for (const folder of [paths.images, paths.logs]) mkdirSync(folder, { recursive: true });
  const raw = join(dir, 'image.raw');
  writeFileSync(raw, (index === 0 ? 'first' : 'second').padEnd(1024 ** 2, '\0'));
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, join(paths.images, 'mini.qcow2')]);
  const digest = 'c'.repeat(64);
  const image = {
    ...{ path: 'images/mini.qcow2', sha256: digest, size: 1, uncompressedSha256: digest, uncompressedSize: 1 },
    ...{ commit, templateDigest: digest },
  };
  const meta: BuildMeta = {
    ...{ name: 'mini', buildid: id, basearch: 'x86_64', ref: 'mini/x86_64/nightly', ostreeCommit: commit },
    ...{ ostreeTimestamp: `2026-11-2${index}T02:30:00.000Z`, stream: 'nightly', state: 'complete' },
    ...{ published: ['buildlogs'], images: { 'generic-cloud': image } },
  };
  writeFileSync(paths.meta, buildMetaText(meta));
}

const configText = (dir: string, stream: readonly string[]): string => `name: mini
work: ./work
targets:
  buildlogs: {type: directory, path: ${join(dir, 'published')}, url: 'http://127.0.0.1:8099'}
streams:
  nightly:
    treefile: tree.yaml
    seed: {allow-new: true}
    targets: [buildlogs]
    images: [generic-cloud]
${stream.map((line) => `    ${line}\n`).join('')}`;
