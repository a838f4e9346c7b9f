import { writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NightlyError } from '../../src/base/errors.ts';
import { readReport } from '../../src/engines/dnf/asked.ts';
import { readRecords } from '../../src/engines/dnf/initramfs-records.ts';
import { withVersion } from '../../src/engines/dnf/tree/os-release.ts';
import { linesOf, nameOf, parseLine, unique } from '../../src/engines/dnf/tree/tree-users.ts';
import { composeFailure } from '../../src/engines/rpm-ostree/failures.ts';
import { readGpt } from '../../src/images/disk/gpt.ts';
import { parseControl } from '../../src/lab/control.ts';
import { rpmRelations } from '../../src/lab/depends.ts';
import { evrOfDebianVersion } from '../../src/lab/version.ts';
import { parseUris } from '../../src/programs/apt.ts';
import { refusedIn } from '../../src/programs/createrepo.ts';
import { parseLs } from '../../src/programs/debugfs.ts';
import { parseMdir } from '../../src/programs/mtools.ts';
import { parseAdminStatus } from '../../src/programs/ostree-admin.ts';
import { remoteFault } from '../../src/programs/remote-fault.ts';
import { parseHeaders } from '../../src/programs/rpm-installed.ts';
import { parseOptions, parseVersion } from '../../src/programs/rpm-ostree.ts';
import { parseAppended, parseFind } from '../../src/programs/xorriso.ts';
import { fuzz, fuzzAsync, mutatedBytes, mutatedJson, mutatedText } from '../support/fuzz.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';

const dir = sharedFolder();
/** For readers that open a file each time. */
const FEWER = { runs: Math.ceil(Number(process.env['FUZZ_RUNS'] ?? 2000) / 10) };
const task = testTask(dir);

describe('what programs print', () => {
  it('rpm of its packages', () => {
    const header = ["'0' 'bash' '5.2' '1.el9' 'x86_64' ", "'", 'a'.repeat(64), "' '' 'bash.src.rpm' 'host' 'GPL' '' "];
    const printed = `${header.join('')}'RSA/SHA256, Key ID 0123456789abcdef' 'it'\\''s' '' '' '' ''\n`;
    fuzz(mutatedText([printed, printed.repeat(3)]), parseHeaders, {
      check: (headers) => {
        for (const { licence = '', key } of headers) {
          expect(licence).not.toContain('\n');
          if (key !== undefined) expect(key).toMatch(/^[0-9a-f]{16}$/);
        }
      },
    });
  });

  it('lists of files in images', () => {
    const whole = (paths: readonly string[]) => {
      for (const path of paths) expect(path).toMatch(/^\//);
    };
    fuzz(mutatedText(["::/EFI/\n::/it's\n::/a\nb.txt\n::/EFI/BOOT/grub.cfg\n"]), parseMdir, { check: whole });
    fuzz(mutatedText([`'/a\nb'\n'/it'"'"'s'\n'/EFI/BOOT/grub.cfg'\n`]), parseFind);
    fuzz(
      mutatedText(["-append_partition 2 0xef --interval:local_fs:4d-7d::'x.iso'\n-append_partition 3 0x83 /x\n"]),
      (text) => parseAppended(text, 1 << 20),
      {
        check: (found) => {
          if (found === undefined) return;
          expect(found.bytes).toBeGreaterThan(0);
          expect(found.start + found.bytes).toBeLessThanOrEqual(1 << 20);
        },
      },
    );
    fuzz(
      mutatedText(['/2/040755/0/0/./4096/\n/12/100644/0/0/a\nb/12/\n/13/120777/0/0/l/7/\n/0/000000/0/0//0/\n']),
      parseLs,
      {
        check: (entries) => {
          for (const { name, size } of entries) {
            expect(name).not.toMatch(/\//);
            expect(size).toBeGreaterThanOrEqual(0);
          }
        },
      },
    );
  });

  it('createrepo_c of packages it refuses, apt of those it would fetch', () => {
    fuzz(
      mutatedText(['x: Cannot read package: /r/b.rpm: error\nx: Stat() on /r/a.rpm: No such file\n']),
      (text) => refusedIn(text, '/r'),
      { check: (refused) => expect(refused.length).toBeGreaterThan(0) },
    );
    const uri = "'http://x/pool/libc6_1%3a2.36-9+deb12u7_amd64.deb' libc6_1%3a2.36-9+deb12u7_amd64.deb 12 SHA256:ab\n";
    fuzz(mutatedText([`Reading package lists...\n${uri}${uri}`]), parseUris, {
      check: (packages) => {
        for (const { file, size } of packages) {
          expect(file).toMatch(/^[^/]+\.deb$/);
          expect(Number.isSafeInteger(size)).toBe(true);
        }
      },
    });
  });

  it('ostree and rpm-ostree', () => {
    const status = `* lab ${'a'.repeat(64)}.0 (pending) (x)\n    Version: 1\n    origin refspec: r:a/b\n  lab ${'b'.repeat(64)}.1\n`;
    fuzz(mutatedText([status]), parseAdminStatus, {
      check: (deployments) => {
        for (const { commit, serial } of deployments) {
          expect(commit).toMatch(/^[0-9a-f]{64}$/);
          expect(serial).toBeGreaterThanOrEqual(0);
        }
      },
    });
    fuzz(mutatedText(["rpm-ostree:\n Version: '2024.8'\n Git: x\n"]), parseVersion);
    fuzz(mutatedText(['Options:\n  -r, --repo=DIR   x\n  --cachedir=DIR\n']), parseOptions);
  });

  it('failures of programs and of the other side are told, whatever they printed', () => {
    const stderr = [
      'error: Problem: conflicting requests\n  - nothing provides c needed by a-1-1.x86_64\n',
      'error: Packages not found: a, b\n',
      "error: Updating rpm-md repo 'base': cannot download repodata/repomd.xml: Curl error (37)\n",
    ];
    const told = (error: NightlyError): void => expect(error.message).not.toMatch(/\0/);
    fuzz(mutatedText(stderr), (text) => composeFailure(1, text, task), {
      check: (error) => expect(error).toBeInstanceOf(NightlyError),
    });
    const remote = [
      'ssh: connect to host x port 22: Connection refused\n',
      'rsync: mkdir "/x" failed: No space left on device (28)\n',
    ];
    const torn = new NightlyError('tool-failed', 'ssh failed.\n\0\x1b[2JConnection refused');
    expect(remoteFault(torn, 'host:/x').message).toBe('Cannot publish to host:/x:  [2JConnection refused');
    fuzz(mutatedText(remote), (text) => remoteFault(new NightlyError('tool-failed', text), 'host:/x'), {
      check: (error) => {
        if (error.code !== 'tool-failed') told(error);
      },
    });
  });

  it('what dracut asked for, and what is known of the images it made', async () => {
    const report = join(dir, 'report.json');
    const asked = { complete: true, outside: ['/proc'], asked: { '/etc/fstab': 'sr', '/usr/lib': 'ld' } };
    await fuzzAsync(
      mutatedText([JSON.stringify(asked)]),
      async (text) => {
        writeFileSync(report, text);
        return readReport(report);
      },
      FEWER,
    );
    const common = { key: 'k', image: `${'a'.repeat(64)}.img`, sha256: 'b'.repeat(64) };
    const images = [
      { rule: 'asked', ...common, outside: ['/proc'], asked: { '/etc/fstab': ['sr', '81a4 0:0 x'] }, attributes: 'x' },
      { rule: 'names', ...common, names: 'n', reads: { '/etc/fstab': 'x' } },
    ];
    await fuzzAsync(
      mutatedJson([{ format: 2, images }]),
      async (value) => {
        writeFileSync(join(dir, 'records.json'), JSON.stringify(value) ?? '');
        return readRecords(dir, task);
      },
      {
        ...FEWER,
        check: (known) => {
          for (const { image } of known) expect(image).toMatch(/^[0-9a-f]{64}\.img$/);
        },
      },
    );
  });
});

describe('what a tree, an image or a .deb has', () => {
  it('accounts and os-release', () => {
    fuzz(
      mutatedText(['root:x:0:0:root:/root:/bin/bash\n+::::\n-x\nbin:x:1:1::/:/x\n']),
      (text) => unique(linesOf(text)).map((line) => [nameOf(line), parseLine(line, 'passwd')] as const),
      {
        check: (lines) => {
          expect(new Set(lines.map(([name]) => name)).size).toBe(lines.length);
        },
      },
    );
    fuzz(
      mutatedText(["NAME=x\nVERSION='9 $& (x)'\nPRETTY_NAME=\"x 9\"\nOSTREE_VERSION='1'\n"]),
      (text) => withVersion(text, { base: '9', version: '9.$&1' }),
      { check: (text) => expect(text.match(/^OSTREE_VERSION=/gm)).toHaveLength(1) },
    );
  });

  it('control files of Debian packages', () => {
    const control =
      'Package: a\nVersion: 1:2.0~rc1+dfsg-1+deb12u7\nDepends: libc6:any (>= 2.34), b | c (<< 1)\nProvides: x (= 1), y\nConflicts: y\nReplaces: y\nDescription: one\n two\n .\n';
    fuzz(mutatedText([control]), (text) => {
      const fields = parseControl(text);
      return [rpmRelations(fields, new Set(['b'])), evrOfDebianVersion(fields.get('Version') ?? '1')] as const;
    });
  });

  it('the partition table of an image, with checksums that are right', async () => {
    const sector = 512;
    const image = Buffer.alloc(40 * sector);
    image.write('EFI PART', sector, 'latin1');
    image.writeUInt32LE(92, sector + 12);
    image.writeBigUInt64LE(2n, sector + 72);
    image.writeUInt32LE(4, sector + 80);
    image.writeUInt32LE(128, sector + 84);
    image.fill(7, 2 * sector, 2 * sector + 32);
    image.writeBigUInt64LE(34n, 2 * sector + 32);
    image.writeBigUInt64LE(36n, 2 * sector + 40);
    image.write('root', 2 * sector + 56, 'utf16le');
    const path = join(dir, 'image.raw');
    const number = fc.oneof(fc.constantFrom(0, 1, 2, 4, 127, 128, 512, 0x7fffffff, 0xffffffff), fc.nat(0xffffffff));
    const changes = fc.record({
      content: mutatedBytes([image.subarray(2 * sector)]),
      fields: fc.array(fc.tuple(fc.constantFrom(72, 76, 80, 84), number), { maxLength: 2 }),
      keep: fc.boolean(),
    });
    await fuzzAsync(
      changes,
      async ({ content, fields, keep }) => {
        const bytes = Buffer.concat([image.subarray(0, 2 * sector), keep ? image.subarray(2 * sector) : content]);
        for (const [at, value] of fields) bytes.writeUInt32LE(value, sector + at);
        const [from, length] = [
          Number(bytes.readBigUInt64LE(sector + 72)) * sector,
          bytes.readUInt32LE(sector + 80) * bytes.readUInt32LE(sector + 84),
        ];
        bytes.writeUInt32LE(crc32(bytes.subarray(from, from + length)), sector + 88);
        const head = Buffer.from(bytes.subarray(sector, sector + 92));
        head.writeUInt32LE(0, 16);
        bytes.writeUInt32LE(crc32(head), sector + 16);
        writeFileSync(path, bytes);
        const file = await open(path, 'r');
        try {
          return await readGpt(file);
        } finally {
          await file.close();
        }
      },
      {
        check: ({ partitions }) => {
          for (const { start, sectors } of partitions) expect(Number.isFinite(start + sectors)).toBe(true);
        },
      },
    );
  });
});
