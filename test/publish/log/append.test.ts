import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesBelow } from '../../../src/base/files.ts';
import { formatVkey } from '../../../src/log/note-keys.ts';
import { appendToLog, type LogPlaces } from '../../../src/publish/log/append.ts';
import { copyLog } from '../../../src/publish/log/copy-log.ts';
import { readLogHead } from '../../../src/publish/log/log-files.ts';
import { formatEntry } from '../../../src/published/log-entry.ts';
import { expectWhole } from '../../support/appender.ts';
import { ENTRIES } from '../../support/log-entries.ts';
import { entriesFrom, LOG, memoryLog, PREFIX, SUFFIX, VECTORS } from '../../support/log-files.ts';
import { buildOracle, whyNoOracle } from '../../support/log-oracle.ts';
import { type Bed, directoryBed, KINDS } from '../../support/target-beds.ts';
import { testTask } from '../../support/tmp.ts';

const placesOf = ({ dir, target }: Pick<Bed, 'dir' | 'target'>, machine = 'machine'): LogPlaces => ({
  home: target,
  key: LOG,
  state: join(dir, machine, 'state.json'),
});

const single = (entries: readonly Buffer[]) => entries.map((entry) => [entry]);

describe.each(KINDS)('a log on a target of type %s', (_, open) => {
  it('grows, has each entry once, and is copied', async () => {
    const bed = await open();
    const task = testTask(bed.dir);
    const places = placesOf(bed);
    const sizes = [1, 2, 255, 256, 258];
    for (const [at, size] of sizes.entries()) {
      const { indices, head } = await appendToLog(single(entriesFrom(sizes[at - 1] ?? 0, size)), places, task);
      expect([indices.at(-1), head.checkpoint.size]).toEqual([size - 1, size]);
    }
    const expected = memoryLog(...sizes);
    for (const [path, content] of expected.files)
      expect([path, Buffer.from((await bed.target.read(`log/${path}`, task)) ?? []).equals(content)]).toEqual([
        path,
        true,
      ]);
    expect(String(await bed.target.read('log/checkpoint', task))).toBe(expected.checkpoint);
    // What is there already is not there twice.
    const again = await appendToLog(single(entriesFrom(256, 258)), places, task);
    expect([again.indices, again.head.checkpoint.size]).toEqual([[256, 257], 258]);

    const copy = (await directoryBed()).target;
    await copyLog({ home: bed.target, head: again.head, key: LOG }, copy, task);
    const more = await appendToLog(single(entriesFrom(258, 261)), places, task);
    await copyLog({ home: bed.target, head: more.head, key: LOG }, copy, task);
    await expectWhole(bed.dir, copy, entriesFrom(0, 261).map(String));
  }, 120_000);
});

describe('a log in a folder', () => {
  it.skipIf(whyNoOracle() !== undefined)('is accepted by golang.org/x/mod', async () => {
    const bed = await directoryBed();
    await mkdir(join(bed.dir, 'oracle'));
    const ask = buildOracle(join(bed.dir, 'oracle'));
    for (const [from, to] of [
      [0, 3],
      [3, 600],
      [600, 601],
    ] as const) {
      await appendToLog(single(entriesFrom(from, to)), placesOf(bed), testTask(bed.dir));
      const note = await bed.look('log/checkpoint');
      const answer = ask({
        prefix: PREFIX,
        suffix: SUFFIX,
        size: to,
        roots: [to],
        notes: [{ note, vkey: formatVkey(LOG) }],
      });
      expect(answer.Notes).toEqual([`${VECTORS.origin}\n${to}\n${answer.Roots[0]}\n`]);
    }
  });

  it('divided entries stay together, and a change that is taken back is an entry of its own', async () => {
    const bed = await directoryBed();
    const task = testTask(bed.dir);
    const [one, other] = [ENTRIES[3], ENTRIES[4]].map((entry) => entry && formatEntry(entry));
    if (!one || !other) throw new Error('no samples');
    const both = [...one, ...other];
    const first = await appendToLog([both], placesOf(bed), task);
    expect((await appendToLog([both], placesOf(bed), task)).indices).toEqual(first.indices);
    // `other` is about the same build, and was said later.
    expect((await appendToLog([one], placesOf(bed), task)).indices).toEqual([2]);
    expect((await appendToLog([one], placesOf(bed), task)).indices).toEqual([2]);
  });

  it('goes on after yesterday\u2019s backup of the work folder, and not after one of the target', async () => {
    const bed = await directoryBed();
    const task = testTask(bed.dir);
    const [places, backup] = [placesOf(bed), join(bed.dir, 'backup')];
    await appendToLog(single(entriesFrom(0, 3)), places, task);
    const copy = (await directoryBed()).target;
    await cp(join(bed.far, 'log'), join(backup, 'log'), { recursive: true });
    await cp(places.state, join(backup, 'state.json'));
    const { head } = await appendToLog(single(entriesFrom(3, 5)), places, task);
    await copyLog({ home: bed.target, head, key: LOG }, copy, task);

    const today = await readFile(places.state);
    await cp(join(backup, 'state.json'), places.state);
    await appendToLog(single(entriesFrom(5, 6)), places, task);
    await expectWhole(bed.dir, bed.target, entriesFrom(0, 6).map(String));
    expect(today.length).toBeGreaterThan(0);

    const whole = join(bed.dir, 'whole');
    await cp(join(bed.far, 'log'), whole, { recursive: true });
    await rm(join(bed.far, 'log'), { recursive: true });
    await cp(join(backup, 'log'), join(bed.far, 'log'), { recursive: true });
    const before = await filesBelow(bed.far);
    const state = await readFile(places.state, 'utf8');
    const attempt = () => appendToLog(single(entriesFrom(6, 7)), places, task);
    await expect(attempt()).rejects.toMatchObject({
      code: 'log-rolled-back',
      hint: expect.stringContaining('Copy the whole folder log/'),
    });
    expect([await filesBelow(bed.far), await readFile(places.state, 'utf8')]).toEqual([before, state]);
    // Both at once: the copy knows better.
    await rm(places.state);
    const late = await readLogHead(bed.target, { log: LOG }, task);
    await expect(copyLog({ home: bed.target, head: late, key: LOG }, copy, task)).rejects.toMatchObject({
      code: 'log-rolled-back',
    });
    await writeFile(places.state, state);
    // As the hint says.
    await rm(join(bed.far, 'log'), { recursive: true });
    await cp(whole, join(bed.far, 'log'), { recursive: true });
    await attempt();
    await expectWhole(bed.dir, bed.target, entriesFrom(0, 7).map(String));
  });

  it('refuses another log of its name, a checkpoint of another key, and tiles that were changed', async () => {
    const [bed, other] = [await directoryBed(), await directoryBed()];
    const task = testTask(bed.dir);
    await appendToLog(single(entriesFrom(0, 3)), placesOf(bed), task);
    await appendToLog(single(entriesFrom(7, 12)), placesOf(other), task);
    const [mine, theirs] = [join(bed.far, 'log'), join(other.far, 'log')];
    await cp(mine, join(bed.dir, 'mine'), { recursive: true });
    const attempt = () => appendToLog(single(entriesFrom(3, 4)), placesOf(bed), task);
    await rm(mine, { recursive: true });
    await cp(theirs, mine, { recursive: true });
    await expect(attempt()).rejects.toMatchObject({ code: 'log-split' });
    await rm(mine, { recursive: true });
    await expect(attempt()).rejects.toMatchObject({ code: 'log-rolled-back' });
    await cp(join(bed.dir, 'mine'), mine, { recursive: true });
    for (const path of ['tile/0/000.p/3', 'tile/entries/000.p/3', 'checkpoint']) {
      const good = await readFile(join(mine, path));
      const bad = Buffer.from(good);
      bad.writeUInt8((bad.at(-3) ?? 0) ^ 1, bad.length - 3);
      await writeFile(join(mine, path), bad);
      await expect(attempt()).rejects.toMatchObject({ code: 'log' });
      await writeFile(join(mine, path), good);
    }
    await attempt();
    await expectWhole(bed.dir, bed.target, entriesFrom(0, 4).map(String));
  });
});
