import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/base/files.ts';
import { dearmored } from '../../../src/base/openpgp-packets.ts';
import { gpgStopAgent } from '../../../src/programs/gpg.ts';
import { logGate } from '../../../src/publish/log/logged.ts';
import { readPublishedNames } from '../../../src/publish/rpms/published-names.ts';
import { parseEntry } from '../../../src/published/log-entry.ts';
import { REPOMD } from '../../../src/rpm/repository/package-digests.ts';
import { isSignedByOne } from '../../../src/signing/verify-detached.ts';
import { DAY, pick, RPMS_FOLDER, rpmsMaterial, rpmsWorld, START } from '../../support/rpms-world.ts';
import { makeKey } from '../../support/signing-key.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const material = rpmsMaterial();

describe('publishRpms', () => {
  it('I17: the entry is in the log before repomd.xml is seen, and nothing is logged for what is there', async () => {
    const { signed } = material();
    const { publish, target, task } = await rpmsWorld(material());
    const seen: unknown[] = [];
    const log = logGate(async ([parts]) => {
      expect(await target.read(`${RPMS_FOLDER}/${REPOMD}`, task)).toBeUndefined();
      seen.push(parseEntry(parts?.[0] ?? Buffer.alloc(0), { file: 'log' }));
    });
    await publish(signed, { log });
    const digestOf = async (path: string) => {
      const content = (await target.read(`${RPMS_FOLDER}/${path}`, task)) ?? Buffer.alloc(0);
      return { path, sha256: sha256(content), size: content.length };
    };
    const files = [await digestOf(REPOMD), await digestOf(`${REPOMD}.asc`)];
    expect(seen).toEqual([{ kind: 'rpms', folder: RPMS_FOLDER, files }]);
    expect(await publish(signed, { log })).toMatchObject({ changed: false, sent: 0 });
    expect(seen).toHaveLength(1);
  });

  it('C5: a client with the old repomd.xml and the new signature, and one with both new, find a good one', async () => {
    const { signed, publicKey } = material();
    const { publish, settle, target, task } = await rpmsWorld(material());
    const paths = [`${RPMS_FOLDER}/${REPOMD}`, `${RPMS_FOLDER}/${REPOMD}.asc`];
    const there = async () => {
      const [repomd = new Uint8Array(), signature = new Uint8Array()] = await target.readMany(paths, task);
      return { repomd, text: Buffer.from(signature).toString() };
    };
    // gpgv finds every block; librepo of Enterprise Linux 10 reads the first alone.
    const blocks = (text: string) =>
      text.match(/-----BEGIN PGP SIGNATURE-----[\s\S]*?-----END PGP SIGNATURE-----\n/g) ?? [];
    const isGood = (what: Uint8Array, block = '') =>
      isSignedByOne(publicKey, what, [dearmored(Buffer.from(block))], task);
    const seen: unknown[] = [];
    const log = logGate(async (entries) => {
      for (const [entry] of entries) seen.push(parseEntry(entry ?? Buffer.alloc(0), { file: 'log' }));
    });
    await publish(signed, { log, bridge: true });
    const first = await there();
    expect([blocks(first.text).length, seen.length]).toEqual([1, 1]);
    await publish(pick(signed, 0), { day: 1, log, bridge: true });
    const bridge = await there();
    const [now, before] = blocks(bridge.text);
    expect(
      await Promise.all([isGood(bridge.repomd, now), isGood(first.repomd, before), isGood(first.repomd, now)]),
    ).toEqual([true, true, false]);
    await settle();
    const settled = await there();
    expect([settled.repomd.length, settled.text]).toEqual([bridge.repomd.length, now]);
    // I17: each of the two was in the log before it was seen, and the one that stays is its last word.
    const digests = seen.slice(1).map((entry) => JSON.stringify(entry));
    expect(digests.map((text) => [text.includes(sha256(bridge.text)), text.includes(sha256(settled.text))])).toEqual([
      [true, false],
      [false, true],
    ]);
    // Where a kill kept it from being settled, publishing again does it.
    await publish(pick(signed, 1), { day: 2, bridge: true });
    await publish(pick(signed, 1), { day: 2, bridge: true });
    expect(blocks((await there()).text)).toHaveLength(1);
  });

  it('C1: an empty repository is published, signed, and dnf takes it', async () => {
    const { signed } = material();
    const { publish, use } = await rpmsWorld(material());
    await publish(pick(signed, 0));
    expect(await publish([], { day: 1 })).toMatchObject({ changed: true });
    await use([]);
    await expect(use(pick(signed, 0))).rejects.toThrow('it is not in the repository');
  });

  it('sends what is missing on the target when it is asked to look at all of it', async () => {
    const { signed } = material();
    const { publish, bed, use } = await rpmsWorld(material());
    await publish(signed);
    await rm(join(bed.far ?? '', RPMS_FOLDER, signed[2]?.path ?? ''));
    await expect(use(signed)).rejects.toMatchObject({
      message: expect.stringContaining('ca-model-00002-1.0-1.noarch: '),
    });
    expect(await publish(signed)).toMatchObject({ changed: false });
    expect(await publish(signed, { all: true })).toMatchObject({ changed: true, sent: 1 });
    await use(signed);
  });

  it('I6: a client names each package that is not what was published, and who did not sign', async () => {
    const { signed, unsigned } = material();
    const { publish, bed, use, task } = await rpmsWorld(material());
    await publish(signed);
    const file = join(bed.far ?? '', RPMS_FOLDER, signed[1]?.path ?? '');
    const bytes = await readFile(file);
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
    await writeFile(file, bytes);
    await expect(use(signed)).rejects.toMatchObject({
      code: 'verify',
      message: expect.stringMatching(/^dnf cannot use packages of [^\n]*\n {2}ba-model-00001-1\.0-1\.noarch: [^\n]*$/),
    });
    const stranger = await makeKey(temporaryFolder());
    const keys = [await readFile(stranger.publicKeyFile, 'utf8')];
    await expect(use(pick(signed, 0), true, keys)).rejects.toMatchObject({
      code: 'verify',
      message: expect.stringMatching(/^dnf cannot use http.*GPG/s),
    });
    await gpgStopAgent(stranger.home, task);
    await publish(unsigned, { day: 1 });
    await use(unsigned, false);
    await expect(use(pick(unsigned, 1))).rejects.toMatchObject({
      code: 'verify',
      message: expect.stringMatching(/ba-model-00001-1\.0-1\.noarch: .*not signed/),
    });
    // rpmkeys looks at many at a time.
    const mixed = [...pick(signed, 0, 3), ...pick(unsigned, 2), ...pick(signed, 4)];
    await publish(mixed, { day: 2 });
    await expect(use(mixed)).rejects.toMatchObject({
      code: 'verify',
      message: expect.stringMatching(/^[^\n]*\n {2}ca-model-00002-1\.0-1\.noarch: .*not signed[^\n]*$/),
    });
  });
});

describe('retireRpms', () => {
  it('removes nothing too early when what was remembered is lost, and learns it from the target', async () => {
    const { signed } = material();
    const { publish, retire, memory, place, task, look, use } = await rpmsWorld(material());
    await publish(signed);
    await publish(pick(signed, 0, 1), { day: 1 });
    await rm(memory);
    // Their time begins again.
    expect(await retire(9)).toMatchObject({ removed: [] });
    const names = await readPublishedNames(place, START + 9 * DAY, task);
    expect([...names.packages.keys()].sort()).toEqual(signed.map(({ path }) => path));
    await publish(pick(signed, 0, 1), { day: 9 });
    expect((await retire(12)).removed.filter((path) => path.endsWith('.rpm'))).toHaveLength(3);
    expect(await look(signed[0]?.path ?? '')).toBe(true);
    await use(pick(signed, 0, 1));
  });

  it('C6: removes nothing when the metadata on the target cannot be read, or when the clock went back', async () => {
    const { signed } = material();
    const { publish, retire, bed, look } = await rpmsWorld(material());
    await publish(signed);
    await publish(pick(signed, 0), { day: 1 });
    expect(await retire(-30)).toMatchObject({ removed: [] });
    const far = join(bed.far ?? '', RPMS_FOLDER);
    const repomd = await readFile(join(far, REPOMD), 'utf8');
    const primary = join(far, /repodata\/\w+-primary\.xml\.gz/.exec(repomd)?.[0] ?? '');
    await writeFile(primary, 'garbage');
    await expect(retire(30)).rejects.toMatchObject({
      code: 'verify',
      hint: expect.stringContaining('Nothing was removed'),
    });
    await rm(primary);
    await expect(retire(30)).rejects.toMatchObject({ code: 'verify' });
    for (const { path } of signed) expect(await look(path)).toBe(true);
  });

  it('C5: keeps what another publisher made repomd.xml name, and what is in a repository below it', async () => {
    const { signed } = material();
    const { publish, retire, bed, memory, look } = await rpmsWorld(material());
    await publish(signed);
    const kept = await readFile(memory);
    await publish(pick(signed, 0), { day: 1 });
    const stale = await readFile(memory);
    // Another machine, whose memory knows nothing of ours, publishes all of them again.
    await writeFile(memory, kept);
    await publish(signed, { day: 2 });
    await writeFile(memory, stale);
    const debug = join(bed.far ?? '', RPMS_FOLDER, 'debug/Packages/d');
    await mkdir(debug, { recursive: true });
    await copyFile(signed[0]?.file ?? '', join(debug, 'd-debuginfo-1-1.noarch.rpm'));
    await retire(30);
    await retire(60);
    for (const { path } of signed) expect(await look(path)).toBe(true);
    expect(existsSync(join(debug, 'd-debuginfo-1-1.noarch.rpm'))).toBe(true);
  });

  it('goes on where a kill came between repomd.xml and what is remembered of it', async () => {
    const { signed } = material();
    const { publish, retire, memory, use } = await rpmsWorld(material());
    await publish(signed);
    const before = await readFile(memory);
    await publish(pick(signed, 0, 1), { day: 1 });
    await writeFile(memory, before);
    expect(await publish(pick(signed, 0, 1), { day: 2 })).toMatchObject({ changed: false });
    expect(await retire(4)).toMatchObject({ removed: [] });
    expect((await retire(5)).removed.filter((path) => path.endsWith('.rpm'))).toHaveLength(3);
    await use(pick(signed, 0, 1));
  });
});
