import { mkdtempSync, rmSync } from 'node:fs';
import { copyFile, open, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readGpt } from '../../src/images/disk/gpt.ts';
import { findString } from '../../src/images/scan/scan-bytes.ts';
import { buildHostMarks, scanDisk } from '../../src/images/scan/scan-image.ts';
import { run } from '../../src/programs/exec.ts';
import { convertImage } from '../../src/programs/qemu-img.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { buildAlone, imageRequest, syntheticCommit } from './synthetic-tree.ts';

const shared = mkdtempSync(join(tmpdir(), 'atomic-nightly-test-'));
afterAll(() => rmSync(shared, { recursive: true, force: true }));

let clean: string;
let commit: string;
beforeAll(async () => {
  const source = await syntheticCommit(shared);
  commit = source.commit;
  const task = testTask(shared);
  const image = await buildAlone(await imageRequest(shared, source), task);
  clean = join(shared, 'clean.raw');
  await convertImage({ source: image.path, sourceFormat: 'qcow2', target: clean, targetFormat: 'raw' }, task);
});

/** Plants a file on the root partition of a finished image and scans it. */
async function scanWith(path: string, content: string, forbidden: readonly string[] = []): Promise<void> {
  const folder = temporaryFolder();
  const task = testTask(folder);
  const raw = join(folder, 'planted.raw');
  await run('cp', ['--sparse=always', clean, raw]);
  const file = await open(raw, 'r');
  const root = (await readGpt(file)).partitions.find(({ name }) => name === 'root');
  await file.close();
  await writeFile(join(folder, 'content'), content);
  const parts = path.split('/').slice(1, -1);
  const folders = parts.map((_, index) => `mkdir "/${parts.slice(0, index + 1).join('/')}"`);
  await writeFile(
    join(folder, 'commands'),
    [...folders, `rm "${path}"`, `write ${folder}/content "${path}"`].join('\n'),
  );
  await run('debugfs', ['-w', '-f', join(folder, 'commands'), `${raw}?offset=${(root?.start ?? 0) * 512}`]);
  await scanDisk({ raw, forbidden, keys: ['ssh-ed25519 KNOWN'] }, task);
}

const deployment = () => `/ostree/deploy/synthetic/deploy/${commit}.0`;
const refused = (message: string) => ({ code: 'image', message: expect.stringContaining(message) });

test('I9 a planted machine-id is refused, an empty or "uninitialized" one is not', async () => {
  const path = `${deployment()}/etc/machine-id`;
  await expect(scanWith(path, '0123456789abcdef0123456789abcdef\n')).rejects.toMatchObject(
    refused(`a machine-id: ${path}`),
  );
  await scanWith(path, 'uninitialized\n');
});

test.each([
  ['/var/lib/systemd/random-seed', 'a random seed', 'seed'],
  ['/var/lib/dbus/machine-id', 'a machine-id', '0123456789abcdef0123456789abcdef'],
  ['/var/roothome/.ssh/authorized_keys', 'ssh keys that the image type does not name', 'ssh-ed25519 AAAA'],
  ['/var/home/core/.ssh/authorized_keys', 'ssh keys that the image type does not name', 'ssh-ed25519 KNOWN\nssh-rsa B'],
  ['/var/home/core/.ssh/id_ed25519', 'ssh keys that the image type does not name', 'secret'],
])('I9 a planted %s is refused', async (path, what, content) => {
  await expect(scanWith(`/ostree/deploy/synthetic${path}`, content)).rejects.toMatchObject(refused(`${what}: `));
});

test('I9 a key that the image type names is not refused', async () => {
  await scanWith('/ostree/deploy/synthetic/var/home/core/.ssh/authorized_keys', 'ssh-ed25519 KNOWN\n');
});

test('I9 a planted ssh host key is refused', async () => {
  const path = `${deployment()}/etc/ssh/ssh_host_ed25519_key`;
  await expect(scanWith(path, 'key')).rejects.toMatchObject(refused(`an ssh host key: ${path}`));
});

test('I9 a remote that only the build host has is refused', async () => {
  const config = '[core]\nmode=bare\n[remote "x"]\nurl=file:///srv/build/repo\n';
  await expect(scanWith('/ostree/repo/config', config)).rejects.toMatchObject(refused('url=file:///srv/build/repo'));
  const own = `${deployment()}/etc/ostree/remotes.d/other.conf`;
  await expect(scanWith(own, '[remote "y"]\nurl = file:///srv/x\n')).rejects.toMatchObject(refused(own));
});

test("I9 the build host's work folder anywhere in a file is refused, naming the file", async () => {
  const path = `${deployment()}/usr/lib/built-by`;
  const work = '/srv/nightly/work/builds/20260921_01';
  const building = scanWith(path, `${'x'.repeat(100_000)}${work}/scratch`, [work, '/srv/elsewhere/entirely']);
  await expect(building).rejects.toMatchObject(refused(`"${work}" in ${path} of partition root`));
  await expect(building).rejects.not.toMatchObject(refused('/srv/elsewhere'));
});

test('I9 a random seed on the EFI partition is refused', async () => {
  const folder = temporaryFolder();
  const task = testTask(folder);
  const raw = join(folder, 'planted.raw');
  await run('cp', ['--sparse=always', clean, raw]);
  await copyFile('/etc/hostname', join(folder, 'random-seed'));
  const efi = `${raw}@@${2 * 1024 * 1024}`;
  await run('mmd', ['-i', efi, '::/loader'], { env: { MTOOLSRC: '/dev/null', MTOOLS_SKIP_CHECK: '1' } });
  await run('mcopy', ['-i', efi, join(folder, 'random-seed'), '::/loader/random-seed']);
  const scanning = scanDisk({ raw, forbidden: [], keys: [] }, task);
  await expect(scanning).rejects.toMatchObject(refused('a random seed: /loader/random-seed'));
});

test('this machine is known by more than its name', async () => {
  const marks = await buildHostMarks();
  expect(marks.length).toBeGreaterThanOrEqual(2);
  for (const mark of marks) expect(mark.length).toBeGreaterThanOrEqual(8);
});

test('a string is found wherever it lies in the data, also over the edge of a read', async () => {
  const file = join(temporaryFolder(), 'data');
  const edge = 8 * 1024 * 1024;
  const bytes = Buffer.alloc(edge + 4096);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: -60, max: 60 }), async (shift) => {
      bytes.fill(0);
      bytes.write('here-it-is', edge + shift);
      await writeFile(file, bytes);
      const hits = await findString(file, [{ start: 0, length: bytes.length }], ['here-it-is', 'not-here']);
      expect(hits).toEqual([{ text: 'here-it-is', offset: edge + shift }]);
    }),
    { numRuns: 8 },
  );
});
