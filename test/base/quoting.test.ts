import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  blscfgWord,
  debugfsWord,
  grubWord,
  kickstartText,
  plainShellWord,
  qemuValue,
  regExpText,
  repoFileUrl,
  rpmMacro,
  rpmText,
  rsyncShellWord,
  sftpWord,
  shellWord,
  sshOptionPath,
  yamlText,
} from '../../src/base/quoting.ts';
import { templatePath } from '../../src/images/template/render-template.ts';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** Text that is rich in what languages take for their own. */
const unit = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...'\'"\\$&;|<>(){}[]*?#%`!~^=@:, \t-') },
  { weight: 2, arbitrary: fc.constantFrom('a', 'b', '$&', '$$', '$1', '${x}', '%{x}', '$(x)', 'ü', '日') },
);
const lineOf = fc.array(unit, { maxLength: 12 }).map((parts) => parts.join(''));
const textOf = fc.array(fc.oneof(unit, fc.constant('\n')), { maxLength: 12 }).map((parts) => parts.join(''));
const kernelArgument = lineOf.map((text) => `a${text.replace(/[\s"']/g, '')}`);

it('gives a shell the very words, for every text', async () => {
  const texts = fc.sample(textOf, 400);
  const words = [...texts.map(shellWord), ...texts.map(plainShellWord)].join(' ');
  const { stdout } = await run('sh', ['-c', `printf '%s\\0' ${words}`]);
  expect(stdout.split('\0').slice(0, -1)).toEqual([...texts, ...texts.map((text) => text)]);
});

it('gives GRUB words that its own parser takes as one command', async () => {
  const folder = temporaryFolder();
  const script = fc.sample(lineOf, 300).map((text) => `echo ${grubWord(`x${text}`)}\n`);
  writeFileSync(join(folder, 'grub.cfg'), script.join(''));
  await run('grub-script-check', [join(folder, 'grub.cfg')]);
  // GRUB's quotes are a shell's, so a shell tells what it makes of them.
  const texts = fc.sample(lineOf, 300);
  const { stdout } = await run('sh', ['-c', `printf '%s\\0' ${texts.map((text) => grubWord(`x${text}`)).join(' ')}`]);
  expect(stdout.split('\0').slice(0, -1)).toEqual(texts.map((text) => `x${text}`));
});

it("quotes kernel arguments in the menu that the lab's generator writes, for GRUB", async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'entries'));
  const lists = fc.sample(fc.array(kernelArgument, { minLength: 1, maxLength: 4 }), 12);
  lists.push(['probe=$&x', 'cost=a$$b', 'slub_debug=FZP,zs_handle;FZPU', 'ostree=/ostree/boot.1/x/0']);
  for (const [index, list] of lists.entries()) {
    writeFileSync(
      join(folder, 'entries', `e-${index}.conf`),
      `title T\nversion ${lists.length - index}\noptions ${list.join(' ')}\nlinux /k\ninitrd /i\n`,
    );
  }
  await run(templatePath('lab/ostree-grub-generator'), ['-o', join(folder, 'grub.cfg')]);
  const menu = await readFile(join(folder, 'grub.cfg'), 'utf8');
  await run('grub-script-check', [join(folder, 'grub.cfg')]);
  const commands = menu.split('\n').filter((line) => line.startsWith('  linux /k '));
  const script = commands.map((line) => `printf '%s\\0' ${line.slice('  linux /k '.length)}; printf '\\n'`).join('\n');
  const { stdout } = await run('sh', ['-c', `set -f\n${script}`]);
  expect(stdout.trimEnd().split('\n')).toEqual(lists.map((list) => list.map((word) => `${word}\0`).join('')));
});

it('keeps an argument in a boot loader entry one word of the script that blscfg makes of it', async () => {
  const folder = temporaryFolder();
  const text = ['slub_debug=FZP,zs_handle;FZPU', 'a|b', 'c&d', 'e<f>g', '{h}', 'i\\j', 'plain=1,2']
    .map(blscfgWord)
    .join(' ');
  writeFileSync(join(folder, 'grub.cfg'), `linux /k ${text} ostree=x\n`);
  await run('grub-script-check', [join(folder, 'grub.cfg')]);
  expect((await run('sh', ['-c', `printf '%s ' ${text}`])).stdout).toBe(
    'slub_debug=FZP,zs_handle;FZPU a|b c&d e<f>g {h} i\\j plain=1,2 ',
  );
});

it('is taken by rpm as it is written, for every text', async () => {
  const texts = fc.sample(lineOf, 300).map((text) => text.trim());
  const { stdout } = await run(
    'rpm',
    texts.flatMap((text) => ['--eval', rpmText(`<${text}>`)]),
  );
  expect(stdout.trimEnd().split('\n')).toEqual(texts.map((text) => `<${text}>`));
});

it('stands for itself in a regular expression', () => {
  fc.assert(
    fc.property(textOf, textOf, (text, around) => {
      const found = new RegExp(regExpText(text)).exec(`${around}${text}`);
      expect(found?.[0]).toBe(text);
      expect(new RegExp(`^${regExpText(text)}$`, 'u').test(text)).toBe(true);
    }),
  );
});

it("is read back by Python's shlex, which reads kickstarts", async () => {
  const texts = fc.sample(lineOf, 300);
  const script = 'import json, shlex, sys; print(json.dumps(shlex.split(sys.stdin.read())))';
  const words = texts.map((text) => `--x=${kickstartText(text)}`).join(' ');
  const { stdout } = await run('/usr/bin/python3', ['-c', script], { input: words, env: { PYTHONUTF8: '1' } });
  expect(JSON.parse(stdout)).toEqual(texts.map((text) => `--x=${text}`));
});

it('is read back from YAML', () => {
  fc.assert(
    fc.property(textOf, (text) => {
      expect(parse(`x: ${yamlText(text)}`)).toEqual({ x: text });
    }),
  );
});

it('gives rpm the very value of a macro', async () => {
  const values = fc
    .sample(fc.array(fc.constantFrom('%', '%{nil}', '%(echo x)', 'a', '$', '/'), { maxLength: 6 }), 40)
    .map((parts) => `a${parts.join('')}`);
  const defines = values.flatMap((value, index) => ['--define', `value_${index} ${rpmMacro(value)}`]);
  const { stdout } = await run('rpm', [...defines, ...values.flatMap((_, index) => ['--eval', `%{value_${index}}`])]);
  expect(stdout).toBe(`${values.join('\n')}\n`);
});

it('gives QEMU the very path, commas and all', async () => {
  const file = join(temporaryFolder(), 'a,format=raw,b=c%$&.raw');
  writeFileSync(file, Buffer.alloc(4096));
  const { stdout } = await run('qemu-img', ['info', '--image-opts', `driver=raw,file.filename=${qemuValue(file)}`]);
  expect(stdout).toContain('virtual size: 4 KiB');
});

it('gives debugfs the very path, quotes and blanks too', async () => {
  const [folder, tree] = [temporaryFolder(), temporaryFolder()];
  const file = join(folder, 'disk.raw');
  const names = ['a b', 'c"d', '""', '$&', "it's", '%s\\x', ';quit'];
  for (const name of names) writeFileSync(join(tree, name), `content of ${name}`);
  writeFileSync(file, '');
  await run('truncate', ['--size=8M', file]);
  await run('mke2fs', ['-q', '-F', '-t', 'ext4', '-d', tree, file]);
  for (const name of names) {
    const { stdout } = await run('debugfs', ['-R', `cat ${debugfsWord(`/${name}`)}`, file]);
    expect(stdout).toBe(`content of ${name}`);
  }
});

it('writes the URL of a path into a .repo file so that dnf puts nothing in its place', async () => {
  const folder = temporaryFolder();
  const repo = join(folder, '$basearch ${releasever} 50%');
  mkdirSync(repo);
  await run('createrepo_c', ['--quiet', repo]);
  writeFileSync(join(folder, 'x.repo'), `[x]\nname=x\nbaseurl=${repoFileUrl(repo)}\ngpgcheck=0\n`);
  const options = [`--setopt=reposdir=${folder}`, `--setopt=cachedir=${join(folder, 'cache')}`, '--releasever=1'];
  await run('dnf', ['-q', ...options, '--noplugins', 'makecache']);
});

it('gives ssh the very path, as the value of an option', async () => {
  for (const path of fc.sample(
    lineOf.map((text) => `/a${text.replaceAll(/\$+\{/g, '{')}z`),
    40,
  )) {
    const { stdout } = await run('ssh', ['-G', '-o', `UserKnownHostsFile=${sshOptionPath(path)}`, 'host']);
    expect(stdout).toContain(`\nuserknownhostsfile ${path}\n`);
  }
});

it('gives sftp the very path, in a batch', async () => {
  const folder = temporaryFolder();
  const names = ['a b', 'c"d', '""', '$&', "it's", '%s\\x', 'back\\slash', ';quit', 'ü'];
  for (const [index, name] of names.entries()) {
    mkdirSync(join(folder, 'near', name), { recursive: true });
    writeFileSync(join(folder, 'near', name, 'file'), name);
    const batch = `put ${sftpWord(join(folder, 'near', name, 'file'))} ${folder}/far${index}\n`;
    await run('sftp', ['-q', '-b', '-', '-D', '/usr/lib/openssh/sftp-server'], { input: batch });
    expect(await readFile(join(folder, `far${index}`), 'utf8')).toBe(name);
  }
});

it('gives rsync the very words of the command that it starts', async () => {
  const folder = temporaryFolder();
  const [log, script] = [join(folder, 'log'), join(folder, 'ssh')];
  writeFileSync(script, `#!/bin/sh\nprintf '%s\\0' "$@" > ${log}\nexit 1\n`, { mode: 0o755 });
  for (const word of fc.sample(
    lineOf.map((text) => `a${text}z`),
    40,
  )) {
    const command = [script, word].map(rsyncShellWord).join(' ');
    await run('rsync', ['-e', command, 'host:/nowhere', folder], { okExitCodes: [1, 12, 14] });
    expect((await readFile(log, 'utf8')).split('\0')[0]).toBe(word);
  }
});
