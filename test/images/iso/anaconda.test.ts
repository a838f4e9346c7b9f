import { mkdtempSync, rmSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sha256File } from '../../../src/base/files.ts';
import { buildIso } from '../../../src/images/iso/iso.ts';
import { renderTemplate } from '../../../src/images/template/render-template.ts';
import { run } from '../../../src/programs/exec.ts';
import { makeGrubImage } from '../../../src/programs/grub.ts';
import { copyIntoFat, copyOutOfFat, makeFat, makeFatFolders } from '../../../src/programs/mtools.ts';
import { appendedEfi, extractFromIso, filesOfIso, makeIso } from '../../../src/programs/xorriso.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';
import { ISO_SIZES, imageRequest, REF, syntheticCommit } from '../synthetic-tree.ts';

// No boot.iso of a distribution is at hand: these have its structure, as lorax's templates make it, around text files.
const LABEL = 'CentOS-Stream-9-BaseOS-x86_64';
const STAGE2 = `inst.stage2=hd:LABEL=${LABEL}`;
const MENU = `menuentry 'Install' {\n  linux /images/pxeboot/vmlinuz ${STAGE2} quiet\n}\n`;
const OPTIONS = { kernelArguments: ['console=ttyS0'], menuSeconds: 5, sizes: ISO_SIZES };
const shared = mkdtempSync(join(tmpdir(), 'atomic-nightly-test-'));
afterAll(() => rmSync(shared, { recursive: true, force: true }));

let source: { readonly repo: string; readonly commit: string };
beforeAll(async () => {
  source = await syntheticCommit(shared);
});

/** `inside`: the EFI image is a file of the ISO (CentOS Stream 9); `appended`: a partition behind it (Fedora 37). */
async function bootIso(folder: string, efi: 'inside' | 'appended'): Promise<string> {
  const task = testTask(folder);
  const tree = join(folder, 'boot-iso');
  for (const name of ['isolinux', 'images/pxeboot', 'EFI/BOOT', 'boot/grub2']) {
    await mkdir(join(tree, name), { recursive: true });
  }
  await writeFile(join(tree, 'images/pxeboot/vmlinuz'), 'kernel\n');
  await writeFile(join(tree, 'isolinux/isolinux.cfg'), `label linux\n  append initrd=initrd.img ${STAGE2} quiet\n`);
  await writeFile(join(tree, 'EFI/BOOT/grub.cfg'), MENU);
  const early = join(folder, 'early.cfg');
  await writeFile(early, '');
  const grub = { modulesDir: '/usr/lib/grub/i386-pc', modules: ['iso9660', 'biosdisk'], prefix: '/boot/grub2' };
  const bios = join(tree, 'images/eltorito.img');
  await makeGrubImage({ ...grub, format: 'i386-pc-eltorito', earlyConfig: early, output: bios }, task);
  const fat = { file: join(folder, 'efiboot.img'), offsetBytes: 0 };
  await run('truncate', ['-s', '3M', fat.file]);
  await makeFat({ ...fat, sizeBytes: 3 * 1024 ** 2, label: 'ANACONDA', volumeId: '12345678', bits: 16 }, task);
  await makeFatFolders(fat, ['/EFI', '/EFI/BOOT'], 0, task);
  await copyIntoFat(fat, join(tree, 'EFI/BOOT/grub.cfg'), '/EFI/BOOT/grub.cfg', 0, task);
  if (efi === 'inside') await copyFile(fat.file, join(tree, 'images/efiboot.img'));
  const iso = join(folder, 'boot.iso');
  await run('xorriso', [
    ...['-as', 'mkisofs', '-quiet', '-J', '-joliet-long', '-r', '-V', LABEL, '-b', 'images/eltorito.img'],
    ...['-no-emul-boot', '-boot-load-size', '4', '-boot-info-table', '--grub2-boot-info'],
    ...['--grub2-mbr', '/usr/lib/grub/i386-pc/boot_hybrid.img', '-eltorito-alt-boot'],
    ...(efi === 'inside'
      ? ['-e', 'images/efiboot.img', '-no-emul-boot', '-isohybrid-gpt-basdat']
      : [
          ...['-append_partition', '2', 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B', fat.file, '-appended_part_as_gpt'],
          ...['-e', '--interval:appended_partition_2:all::', '-no-emul-boot'],
        ]),
    ...['-o', iso, tree],
  ]);
  return iso;
}

async function readFrom(iso: string, path: string, folder: string): Promise<string> {
  const target = join(folder, 'read');
  await extractFromIso(iso, path, target, testTask(folder));
  return readFile(target, 'utf8');
}

describe.each(['inside', 'appended'] as const)('on a boot.iso whose EFI image is %s', (efi) => {
  let iso: string;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(shared, efi));
    const options = { ...OPTIONS, bootIso: await bootIso(folder, efi) };
    iso = join(folder, 'out.iso');
    await buildIso(await imageRequest(folder, source), options, iso, testTask(folder));
  });

  test('the volume id stays, both firmwares boot it, and the media check holds', async () => {
    const { stdout } = await run('xorriso', ['-indev', iso, '-report_el_torito', 'plain', '-pvd_info']);
    expect(stdout).toMatch(new RegExp(`Volume Id\\s+: ${LABEL}`));
    expect(stdout).toMatch(/El Torito boot img :\s+1\s+BIOS\s+y/);
    expect(stdout).toMatch(/El Torito boot img :\s+2\s+UEFI\s+y/);
    if (efi === 'inside') expect(stdout).toMatch(/El Torito img path :\s+2\s+\/images\/efiboot\.img/);
    await run('checkisomd5', [iso]);
  });

  test('every menu names the kickstart on the medium', async () => {
    const named = `${STAGE2} quiet inst.ks=hd:LABEL=${LABEL}:/ks.cfg`;
    expect(await readFrom(iso, '/isolinux/isolinux.cfg', folder)).toContain(named);
    expect(await readFrom(iso, '/EFI/BOOT/grub.cfg', folder)).toContain(named);
    const task = testTask(folder);
    const image = join(folder, 'efi-out.img');
    if (efi === 'inside') await extractFromIso(iso, '/images/efiboot.img', image, task);
    else expect((await appendedEfi(iso, image, task))?.number).toBe(2);
    const config = join(folder, 'efi-grub.cfg');
    await copyOutOfFat({ file: image, offsetBytes: 0 }, '/EFI/BOOT/grub.cfg', config, task);
    expect(await readFile(config, 'utf8')).toContain(named);
  });

  test('the kickstart deploys from the repo on the medium', async () => {
    const kickstart = await readFrom(iso, '/ks.cfg', folder);
    expect(kickstart).toContain(
      `ostreesetup --nogpg --osname=synthetic --remote=synthetic --url=file:///run/install/repo/ostree/repo --ref=${REF}\n`,
    );
    expect(kickstart).toContain('bootloader --append="console=ttyS0"\n');
    const files = await filesOfIso(iso, testTask(folder));
    expect(files).toContain(`/ostree/repo/refs/heads/${REF}`);
    expect(files).toContain('/images/pxeboot/vmlinuz');
  });

  test('I10 the same boot.iso, commit and time give the same ISO', async () => {
    const other = temporaryFolder();
    const again = join(other, 'again.iso');
    await buildIso(
      await imageRequest(other, source),
      { ...OPTIONS, bootIso: join(folder, 'boot.iso') },
      again,
      testTask(other),
    );
    expect(await sha256File(again)).toBe(await sha256File(iso));
  });
});

test('an ISO that does not start Anaconda is refused', async () => {
  const folder = temporaryFolder();
  await mkdir(join(folder, 'files'));
  await writeFile(join(folder, 'files/readme'), 'nothing\n');
  const other = join(folder, 'other.iso');
  await makeIso(other, 'OTHER', join(folder, 'files'), testTask(folder));
  const building = buildIso(
    await imageRequest(folder, source),
    { ...OPTIONS, bootIso: other },
    join(folder, 'x'),
    testTask(folder),
  );
  await expect(building).rejects.toMatchObject({ code: 'image', message: expect.stringContaining('inst.stage2') });
});

test('a folder without a boot.iso is refused', async () => {
  const folder = temporaryFolder();
  const building = buildIso(
    await imageRequest(folder, source),
    { ...OPTIONS, bootIso: folder },
    join(folder, 'x'),
    testTask(folder),
  );
  await expect(building).rejects.toMatchObject({ code: 'not-found' });
});

describe("the kickstart's last part", () => {
  /** Runs it as on an installed system below a folder. @returns the remotes' files and the repo's configuration. */
  async function post(
    own: string | undefined,
    { keys = '', folder = temporaryFolder() } = {},
  ): Promise<{ readonly remotes: string; readonly config: string }> {
    const files = {
      'etc/ostree/remotes.d/synthetic.conf': '[remote "synthetic"]\nurl=file:///run/install/repo/ostree/repo\n',
      'ostree/repo/config':
        '[core]\nmode=bare\n[remote "synthetic"]\nurl=file:///run\ngpg-verify=false\n[sysroot]\nx=y\n',
      ...(own === undefined ? {} : { 'usr/etc/ostree/remotes.d/own.conf': own }),
    };
    for (const [path, content] of Object.entries(files)) {
      await mkdir(join(folder, path, '..'), { recursive: true });
      await writeFile(join(folder, path), content);
    }
    const values = { osName: 'o', remote: 'synthetic', url: 'https://example.org/repo', ref: REF, kernelArguments: '' };
    const kickstart = await renderTemplate('iso/anaconda-ks.cfg.hbs', { ...values, keys });
    const script = /^%post.*\n([\s\S]*)^%end/m.exec(kickstart)?.[1] ?? 'exit 1';
    await run('bash', ['-c', script.replaceAll(/(?<![\w/])\/(etc|usr\/etc|ostree)\//g, `${folder}/$1/`)]);
    const remotes = join(folder, 'etc/ostree/remotes.d');
    const names = await readdir(remotes);
    const texts = await Promise.all(names.map((name) => readFile(join(remotes, name), 'utf8')));
    return { remotes: texts.join(''), config: await readFile(join(folder, 'ostree/repo/config'), 'utf8') };
  }

  test("brings back the tree's own remote", async () => {
    const own = '[remote "synthetic"]\nurl=https://atomic.example.org/repo\ngpgkeypath=/etc/key\n';
    expect(await post(own)).toEqual({ remotes: own, config: '[core]\nmode=bare\n[sysroot]\nx=y\n' });
  });

  test('I2: has the installed system verify what a stream that signs publishes', async () => {
    const folder = temporaryFolder();
    const { remotes } = await post(undefined, { keys: Buffer.from('key').toString('base64'), folder });
    expect(remotes).toBe(
      '[remote "synthetic"]\nurl=https://example.org/repo\ngpg-verify=true\ngpg-verify-summary=true\n',
    );
    expect(await readFile(join(folder, 'ostree/repo/synthetic.trustedkeys.gpg'), 'utf8')).toBe('key');
  });

  test('names the public URL for a tree without one', async () => {
    expect((await post(undefined)).remotes).toBe(
      '[remote "synthetic"]\nurl=https://example.org/repo\ngpg-verify=false\n',
    );
  });
});
