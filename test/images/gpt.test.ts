import { open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { derivedUuid } from '../../src/images/disk/disk-ids.ts';
import {
  lastUsableSector,
  PARTITION_TYPES,
  type PartitionTable,
  readGpt,
  writeGpt,
} from '../../src/images/disk/gpt.ts';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';

const DISK_SECTORS = 65_536;

async function diskWith(path: string, table: PartitionTable, bootCode = new Uint8Array(440)): Promise<void> {
  await writeFile(path, '');
  await truncate(path, DISK_SECTORS * 512);
  const file = await open(path, 'r+');
  await writeGpt(file, DISK_SECTORS, table, bootCode);
  await file.close();
}

async function read(path: string): Promise<PartitionTable> {
  const file = await open(path, 'r');
  try {
    return await readGpt(file);
  } finally {
    await file.close();
  }
}

const guid = fc.uuid();
const tables = fc
  .uniqueArray(fc.integer({ min: 34, max: lastUsableSector(DISK_SECTORS) }), { minLength: 2, maxLength: 16 })
  .chain((cuts) => {
    const sorted = [...cuts].sort((a, b) => a - b);
    const spans = sorted.slice(0, -1).map((start, index) => ({ start, sectors: (sorted[index + 1] ?? start) - start }));
    return fc.record({
      diskGuid: guid,
      partitions: fc.tuple(
        ...spans.map((span) =>
          fc
            .record({ name: fc.stringMatching(/^[a-zA-Z0-9 äö-]{0,36}$/), type: guid, guid })
            .map((named) => ({ ...named, ...span })),
        ),
      ),
    });
  });

test('a table that is written is read back the same', async () => {
  const disk = join(temporaryFolder(), 'disk');
  await fc.assert(
    fc.asyncProperty(tables, async (table) => {
      await diskWith(disk, table);
      expect(await read(disk)).toEqual(table);
    }),
    { numRuns: 25 },
  );
});

test('sfdisk finds the table right, in its primary and in its backup place', async () => {
  const disk = join(temporaryFolder(), 'disk');
  const seed = { commit: 'c'.repeat(64), timestamp: 1 };
  const partitions = [
    { name: 'one', type: PARTITION_TYPES.efiSystem, guid: derivedUuid(seed, 'one'), start: 2048, sectors: 4096 },
    { name: 'two', type: PARTITION_TYPES.linuxData, guid: derivedUuid(seed, 'two'), start: 6144, sectors: 8192 },
  ];
  await diskWith(disk, { diskGuid: derivedUuid(seed, 'disk'), partitions });
  const dump = async () => JSON.parse((await run('sfdisk', ['--json', disk])).stdout).partitiontable;
  const seen = await dump();
  expect(seen).toMatchObject({
    label: 'gpt',
    id: derivedUuid(seed, 'disk').toUpperCase(),
    firstlba: 34,
    lastlba: DISK_SECTORS - 34,
    partitions: partitions.map(({ name, type, guid: id, start, sectors }) => ({
      start,
      size: sectors,
      type: type.toUpperCase(),
      uuid: id.toUpperCase(),
      name,
    })),
  });
  expect((await run('sfdisk', ['--verify', disk])).stdout).toContain('No errors detected');
  const file = await open(disk, 'r+');
  await file.write(new Uint8Array(512), 0, 512, 512);
  await file.close();
  expect((await dump()).partitions).toEqual(seen.partitions);
});

test('the boot code and the protective entry are in the first sector', async () => {
  const disk = join(temporaryFolder(), 'disk');
  await diskWith(
    disk,
    { diskGuid: derivedUuid({ commit: '', timestamp: 0 }, ''), partitions: [] },
    Buffer.alloc(512, 0x5a),
  );
  const sector = Buffer.alloc(512);
  const file = await open(disk, 'r');
  await file.read(sector, 0, 512, 0);
  await file.close();
  expect(sector.subarray(0, 440).every((byte) => byte === 0x5a)).toBe(true);
  expect(sector[440]).toBe(0);
  expect(sector.subarray(446, 462).toString('hex')).toBe('00000200eeffffff01000000ffff0000');
  expect(sector.readUInt16LE(510)).toBe(0xaa55);
});

test('a flipped bit in header or entries is refused', async () => {
  const disk = join(temporaryFolder(), 'disk');
  const partitions = [
    { name: 'x', type: PARTITION_TYPES.linuxData, guid: PARTITION_TYPES.efiSystem, start: 64, sectors: 8 },
  ];
  for (const [at, message] of [
    [512 + 60, /checksum of its GPT header/],
    [1024 + 40, /checksum of its partition entries/],
    [512, /no GPT header/],
  ] as const) {
    await diskWith(disk, { diskGuid: PARTITION_TYPES.biosBoot, partitions });
    const file = await open(disk, 'r+');
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    await file.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at);
    await file.close();
    await expect(read(disk)).rejects.toMatchObject({ code: 'image', message: expect.stringMatching(message) });
  }
});
