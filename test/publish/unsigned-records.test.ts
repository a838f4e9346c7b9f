import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { armoredSignature, dearmored } from '../../src/base/openpgp-packets.ts';
import { withSignature } from '../../src/ostree/commit-signatures.ts';
import { readCommit } from '../../src/ostree/objects.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { setRef } from '../../src/publish/move-ref.ts';
import { publishCommit } from '../../src/publish/publish-commit.ts';
import { updateRecord } from '../../src/publish/publish-files.ts';
import { parseSummary, summaryRefs, summaryWith } from '../../src/publish/summary.ts';
import { keptSigner } from '../../src/signing/kept.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { isSignedByOne } from '../../src/signing/verify-detached.ts';
import type { Target } from '../../src/targets/target.ts';
import { anyRecord } from '../support/any-record.ts';
import { everyCase } from '../support/every-case.ts';
import { keyTrust } from '../support/key-trust.ts';
import { makeFileKey } from '../support/openpgp-key.ts';
import { commitTestTree, makeRepo } from '../support/ostree-repo.ts';
import { whyNoRadosgw } from '../support/radosgw.ts';
import { type Bed, daemonBed, directoryBed, rrsyncBed, s3Bed, sshBed } from '../support/target-beds.ts';
import { testTask } from '../support/tmp.ts';

const RECORD = 'streams/nightly/latest.json';

const KINDS: readonly [string, () => Promise<Bed>][] = [
  ['directory', directoryBed],
  ['rsync over ssh', rrsyncBed],
  ['rsync daemon', daemonBed],
  ['ssh', sshBed],
  ...(whyNoRadosgw() === undefined ? [['S3', s3Bed] as [string, () => Promise<Bed>]] : []),
];

/** A publisher with a key; several with the same key have folders for signatures of their own. */
async function publishers(dir: string, target: Target) {
  const task = testTask(dir);
  const [key, stranger] = [await makeFileKey(dir), openSigner(await makeFileKey(dir, { name: 'stranger' }))];
  const machine = (name: string) => {
    const kept = join(dir, name);
    const signer = keptSigner(openSigner(key), kept);
    return { signer, trust: keyTrust({ signer, kept, work: join(dir, 'local') }, task) };
  };
  const put = (files: Readonly<Record<string, Uint8Array>>) =>
    target.swap({ expect: [], put: Object.entries(files).map(([path, content]) => ({ path, content })) }, task);
  const signed = async (text: string, by = machine('first').signer) =>
    Buffer.from(armoredSignature(await by.sign(Buffer.from(text), task)));
  const found = async () => {
    const [content, signature] = await target.readMany([RECORD, `${RECORD}.asc`], task);
    const packets = signature ? [dearmored(signature)] : [];
    const isSigned = await isSignedByOne(
      await machine('first').signer.clientKey(task),
      content ?? Buffer.from(''),
      packets,
      task,
    );
    return { text: new TextDecoder().decode(content), isSigned };
  };
  return { task, machine, stranger, put, signed, found };
}

/** Fails between a signature and its file, as a kill does. */
const killedAfterSignature = (target: Target): Target => ({
  ...target,
  async swap({ expect: found, put }, task) {
    await target.swap({ expect: found, put: put.filter(({ path }) => path.endsWith('.asc')) }, task);
    throw new Error('killed');
  },
});

describe.each(KINDS.filter(([kind]) => everyCase || ['directory', 'S3'].includes(kind)))(
  'I12: on a target of type %s',
  (_, open) => {
    it('nothing is signed that nobody vouches for: a record is made anew, and a kill repairs itself', async () => {
      const { dir, target } = await open();
      const { task, machine, stranger, put, signed, found } = await publishers(dir, target);
      const [first, second] = [machine('first'), machine('second')];
      const add = (name: string, by: typeof first, on = target) =>
        updateRecord(anyRecord<string[]>(RECORD), (old) => [...(old ?? []), name], on, task, {
          ...by,
          anew: async () => ['from our records'],
        });
      const names = async () => JSON.parse((await found()).text);

      await add('one', first);
      const good = (await found()).text;
      const hostile = '["hostile"]';
      for (const signature of [undefined, await signed(good), await signed(hostile, stranger), Buffer.from('none')]) {
        await put({ [RECORD]: Buffer.from(hostile), [`${RECORD}.asc`]: signature ?? Buffer.from('') });
        if (signature === undefined) await target.remove([`${RECORD}.asc`], task);
        await add('two', first);
        expect(await names()).toEqual(['from our records', 'two']);
        expect((await found()).isSigned).toBe(true);
      }
      expect(task.lines.join('\n')).toContain(
        `${RECORD} on target "${target.name}" is rewritten: it has no good signature`,
      );

      // Nothing was to be changed: what is there is replaced all the same, and no signature of ours lies beside it before.
      await put({ [RECORD]: Buffer.from(hostile) });
      await updateRecord(anyRecord<string[]>(RECORD), (old) => old, target, task, {
        ...first,
        anew: async () => undefined,
      });
      expect(await found()).toEqual({ text: hostile, isSigned: false });
      await put({ [RECORD]: Buffer.from(good), [`${RECORD}.asc`]: await signed(good) });

      // Killed on the machine that made the record, and on one that only read it: both know what it was.
      await expect(add('three', first, killedAfterSignature(target))).rejects.toThrow('killed');
      expect((await found()).isSigned).toBe(false);
      await add('three', first);
      expect(await names()).toEqual(['one', 'three']);
      await expect(add('four', second, killedAfterSignature(target))).rejects.toThrow('killed');
      expect((await found()).isSigned).toBe(false);
      await add('four', second);
      expect(await names()).toEqual(['one', 'three', 'four']);
      expect((await found()).isSigned).toBe(true);
      // A lost signature comes back.
      await target.remove([`${RECORD}.asc`], task);
      await updateRecord(anyRecord<string[]>(RECORD), (old) => old, target, task, { ...second, anew: async () => [] });
      expect(await names()).toEqual(['one', 'three', 'four']);
      expect((await found()).isSigned).toBe(true);
    }, 120_000);

    it('no summary is signed that names what nobody vouches for, and a kill repairs itself', async () => {
      const { dir, target } = await open();
      const { task, machine } = await publishers(dir, target);
      await mkdir(join(dir, 'local'));
      const repo = await makeRepo(join(dir, 'local'));
      const first = await commitTestTree({ repo, tree: { a: '1' }, ref: 'os/one', timestamp: 1_700_000_000 });
      const second = await commitTestTree({ repo, tree: { a: '2' }, ref: 'os/two', timestamp: 1_700_000_000 });
      const signing = machine('first');
      const send = (ref: string, commit: string) =>
        publishCommit(
          { log: NO_LOG, repo, ref, commit, target, deltas: [], notes: join(dir, `notes-${ref.slice(3)}`), signing },
          task,
        );
      await send('os/one', first);
      await send('os/two', second);
      const heads = async () => {
        const [summary = Buffer.from(''), signature = Buffer.from('')] = await target.readMany(
          ['repo/summary', 'repo/summary.sig'],
          task,
        );
        return { summary, signature };
      };
      const good = await heads();
      const put = (summary: Uint8Array, signature: Uint8Array) =>
        target.swap(
          {
            expect: [],
            put: [
              { path: 'repo/summary.sig', content: signature },
              { path: 'repo/summary', content: summary },
            ],
          },
          task,
        );
      const evil = { ...(await readCommit(repo, first)), checksum: 'ab'.repeat(32) };
      const hostile = summaryWith(good.summary, { refs: ['os/evil'], commit: evil, size: 100 }, 1_700_000_001);
      await put(hostile, good.signature);
      for (const ref of ['os/one', 'os/two']) {
        await expect(
          setRef({ log: NO_LOG, repo, target, ref, commit: ref === 'os/one' ? first : second, signing }, task),
        ).rejects.toMatchObject({
          code: 'verify',
          message: expect.stringContaining('os/evil'),
          hint: expect.stringContaining('publish --reconcile'),
        });
      }
      expect((await heads()).signature).toEqual(good.signature);

      // A ref of ours that somebody turned to another commit of ours.
      const turned = summaryWith(
        good.summary,
        { refs: ['os/two'], commit: await readCommit(repo, first), size: 100 },
        1,
      );
      await put(turned, Buffer.from('none'));
      await expect(
        setRef({ log: NO_LOG, repo, target, ref: 'os/one', commit: first, signing }, task),
      ).rejects.toMatchObject({
        code: 'verify',
        message: expect.stringContaining('os/two'),
      });

      // What hangs on it beside the refs is not taken over.
      const marked = new TextDecoder('latin1')
        .decode(good.summary)
        .replace('ostree.summary.mode', 'ostree.summary.evil');
      await put(Buffer.from(marked, 'latin1'), good.signature);
      await setRef({ log: NO_LOG, repo, target, ref: 'os/one', commit: first, signing }, task);
      expect([...parseSummary((await heads()).summary).metadata.keys()]).not.toContain('ostree.summary.evil');
      expect(summaryRefs((await heads()).summary)).toEqual(
        new Map([
          ['os/one', first],
          ['os/two', second],
        ]),
      );

      // Killed between summary.sig and summary.
      const before = await heads();
      const third = await commitTestTree({
        repo,
        tree: { a: '3' },
        ref: 'os/one',
        timestamp: 1_700_000_100,
        parent: first,
      });
      const other = withSignature(undefined, await signing.signer.sign(Buffer.from('the next summary'), task));
      await put(before.summary, other);
      await send('os/one', third);
      const after = await heads();
      expect(summaryRefs(after.summary)).toEqual(
        new Map([
          ['os/one', third],
          ['os/two', second],
        ]),
      );
      expect(await signing.trust.vouches('repo/summary', after.summary, [])).toBe(true);
    }, 120_000);
  },
);
