import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from '../../../src/programs/exec.ts';

/** A kernel's name, as the tree has it. */
export const KVER = '6.0.0-1';

/**
 * A program that works as dracut does and asks in every way that dracut asks: globs, `source`, PATH, tests of what is
 * there, links, folders entered, programs with interpreters and libraries, files copied into a folder of its own. The image
 * is what it was told.
 */
const DRACUT = `#!/bin/bash
work=$(mktemp -d /tmp/dracut.XXXXXX)
out=\${*: -1}
{
  for conf in /etc/dracut.conf.d/*.conf /usr/lib/dracut/dracut.conf.d/*.conf; do
    [ -f "$conf" ] && echo "conf $conf" && . "$conf" && echo "$compress"
  done
  for name in plymouth cryptsetup tool; do
    if command -v "$name"; then echo "has $name"; fi
  done
  [ -e /usr/lib/firmware/card.bin ] && echo firmware
  [ -x /usr/lib/helper ] && echo helper
  [ -s /etc/vconsole.conf ] && echo console
  [ -d /usr/share/keymaps/de ] && echo keymap
  [ -L /usr/lib/release ] && readlink /usr/lib/release
  stat -L -c '%a %u:%g %F' /usr/lib/stated
  tool
  cd /usr/lib/dracut/modules.d && for module in */; do
    cat "\${module}list"
    [ -e "\${module}../../extra-\${module%/}" ] && echo extra
  done
  cat /usr/lib/alternatives/current/data
  ls /usr/lib/listed
  find /usr/lib/found -type f
  mkdir "$work/lib"
  cp -a /usr/lib/kept "$work/lib/"
  ln -s /usr/lib/linked "$work/link"
  cat "$work/link"
  cat "$work/lib/kept/one"
} > "$out" 2>/dev/null
rm -r "$work"
`;

const PROGRAMS = ['bash', 'cat', 'cp', 'find', 'ln', 'ls', 'mkdir', 'mktemp', 'readlink', 'rm', 'stat'];

/** Files as the tree has them, with what is executable. */
const FILES: readonly (readonly [path: string, text: string, mode?: number])[] = [
  ['usr/bin/dracut', DRACUT, 0o755],
  ['usr/bin/tool', '#!/usr/bin/interpreter\necho tool of the tree\n', 0o755],
  ['usr/lib/helper', '', 0o755],
  ['usr/lib/stated', 'never read'],
  ['usr/lib/os-release', 'ID=mini\n'],
  ['usr/lib/linked', 'through a link from outside\n'],
  ['usr/lib/dracut/dracut.conf.d/10-tree.conf', 'compress=xz\n'],
  ['usr/lib/dracut/modules.d/10a/list', 'a\n'],
  ['usr/lib/dracut/modules.d/20b/list', 'b\n'],
  ['usr/lib/alternatives/v1/data', 'version 1\n'],
  ['usr/lib/alternatives/v2/data', 'version 2\n'],
  ['usr/lib/listed/one', ''],
  ['usr/lib/found/deep/one', ''],
  ['usr/lib/kept/one', 'kept\n'],
  ['usr/etc/vconsole.conf', 'KEYMAP=de\n'],
  ['usr/share/keymaps/de', 'no folder\n'],
  [`usr/lib/modules/${KVER}/modules.order`, 'a.ko\n'],
  ['usr/share/leaf/data', 'nobody asks for this\n'],
  ['usr/lib/leaf/program', '#!/bin/sh\n', 0o755],
];

/** Lays out a tree in which that program runs. */
export async function makeAskedTree(root: string): Promise<void> {
  for (const dir of [
    'dev',
    'proc',
    'sys',
    'tmp',
    'run',
    'var',
    'etc',
    'usr/bin',
    'usr/etc/dracut.conf.d',
    'usr/share/leaf',
  ]) {
    mkdirSync(join(root, dir), { recursive: true });
  }
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) symlinkSync(`usr/${name}`, join(root, name));
  for (const name of ['lib', 'lib64', 'sbin']) mkdirSync(join(root, 'usr', name), { recursive: true });
  for (const name of PROGRAMS) await copyProgram(root, `/usr/bin/${name}`);
  symlinkSync('bash', join(root, 'usr/bin/sh'));
  copyFileSync(join(root, 'usr/bin/bash'), join(root, 'usr/bin/interpreter'));
  for (const [path, text, mode = 0o644] of FILES) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    chmodSync(join(root, path), mode);
  }
  symlinkSync('os-release', join(root, 'usr/lib/release'));
  symlinkSync('v1', join(root, 'usr/lib/alternatives/current'));
}

/** A program of this machine, with the libraries it is linked with. */
async function copyProgram(root: string, path: string): Promise<void> {
  const { stdout } = await run('ldd', [path]);
  for (const file of [path, ...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((one) =>
    typeof one === 'string' ? one : (one[1] ?? ''),
  )) {
    const to = join(root, file.startsWith('/usr/') ? file : `/usr${file}`);
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(file, to);
  }
}
