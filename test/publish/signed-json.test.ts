import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { forgetBuilds } from '../../src/publish/prune/prune-builds.ts';
import { updateRecord } from '../../src/publish/publish-files.ts';
import { BUILD_INDEX } from '../../src/published/build-index.ts';
import { keptSigner } from '../../src/signing/kept.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import { anyRecord } from '../support/any-record.ts';
import { keyTrust } from '../support/key-trust.ts';
import { gpgv, makeFileKey } from '../support/openpgp-key.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const INDEX = 'builds/builds.json';

async function bed() {
  const dir = temporaryFolder();
  const far = join(dir, 'far');
  await mkdir(far);
  const key = await makeFileKey(dir);
  const signer = keptSigner(openSigner(key), join(dir, 'kept'));
  const target = openTarget({ type: 'directory', name: 'dir', path: far, url: 'http://127.0.0.1:1' });
  const [kept, task] = [join(dir, 'kept'), testTask(dir)];
  const trust = keyTrust({ signer, kept, work: join(dir, 'work') }, task);
  const signing = { signer, trust, anew: async () => undefined };
  const isSigned = async (path: string) =>
    (await gpgv(key.publicFile, join(far, `${path}.asc`), join(far, path))).code === 0;
  return { dir, far, signing, target, task, isSigned };
}

it('publishers side by side: each change is there, and the signature is that of what is there', async () => {
  const { far, signing, target, task, isSigned } = await bed();
  const names = Array.from({ length: 6 }, (_, n) => `build-${n}`);
  await Promise.all(
    names.map((name) =>
      updateRecord(anyRecord<string[]>(INDEX), (old) => [...(old ?? []), name].sort(), target, task, signing),
    ),
  );
  expect(JSON.parse(await readFile(join(far, INDEX), 'utf8'))).toEqual(names);
  expect(await isSigned(INDEX)).toBe(true);

  // A lost signature comes back although nothing is to be changed; then there is nothing to do.
  await rm(join(far, `${INDEX}.asc`));
  await updateRecord(anyRecord<string[]>(INDEX), (old) => old ?? [], target, task, signing);
  expect(await isSigned(INDEX)).toBe(true);
  const before = await readFile(join(far, `${INDEX}.asc`));
  await updateRecord(anyRecord<string[]>(INDEX), (old) => old ?? [], target, task, signing);
  expect(await readFile(join(far, `${INDEX}.asc`))).toEqual(before);
  await updateRecord(anyRecord<unknown>('streams/none.json'), (old) => old, target, task, signing);
  await expect(readFile(join(far, 'streams/none.json.asc'))).rejects.toMatchObject({ code: 'ENOENT' });
});

it('the signature is put before the file, in one swap', async () => {
  const { signing, target, task } = await bed();
  const put: string[][] = [];
  const watched = {
    ...target,
    swap: async (...[request, with_]: Parameters<typeof target.swap>) => {
      put.push(request.put.map(({ path }) => path));
      await target.swap(request, with_);
    },
  };
  await updateRecord(anyRecord<number[]>(INDEX), () => [1], watched, task, signing);
  expect(put).toEqual([[`${INDEX}.asc`, INDEX]]);
});

it('I2: who does not sign leaves a signed file alone, and says which', async () => {
  const { far, signing, target, task, isSigned } = await bed();
  const change = (old: string[] | undefined) => [...(old ?? []), 'new'];
  await updateRecord(anyRecord<string[]>(INDEX), change, target, task);
  await updateRecord(anyRecord<string[]>(INDEX), change, target, task);
  await updateRecord(anyRecord<string[]>(INDEX), () => ['signed'], target, task, signing);
  await expect(updateRecord(anyRecord<string[]>(INDEX), change, target, task)).rejects.toMatchObject({
    code: 'unsupported',
    message: `${INDEX} on target "dir" is signed, and a new one from here would not be.`,
  });
  expect(JSON.parse(await readFile(join(far, INDEX), 'utf8'))).toEqual(['signed']);
  expect(await isSigned(INDEX)).toBe(true);
});

it('a prune that takes builds out of the index signs what is left', async () => {
  const { signing, target, task, isSigned } = await bed();
  const builds = ['20260102_01', '20260101_01'].map((id) => ({ id, arches: ['x86_64'] }));
  await updateRecord(
    { path: INDEX, format: BUILD_INDEX },
    () => ({ builds, timestamp: 'then' }),
    target,
    task,
    signing,
  );
  const gone = { files: [], boxes: [], unlisted: [{ id: '20260101_01', arch: 'x86_64' }], marks: {} };
  await forgetBuilds(gone, target, task, signing);
  expect(await isSigned(INDEX)).toBe(true);
  expect(new TextDecoder().decode(await target.read(INDEX, task))).not.toContain('20260101_01');
});
