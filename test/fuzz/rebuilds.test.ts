import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { parseRebuild, rebuildStatement } from '../../src/attest/compose-rebuild.ts';
import { envelopeLine, parseEnvelope } from '../../src/attest/dsse.ts';
import { readRecord } from '../../src/base/read-record.ts';
import { isPathBelow } from '../../src/build/record-values.ts';
import { makeTar } from '../../src/programs/tar.ts';
import { readTreefileArchive } from '../../src/published/treefile-members.ts';
import { IMAGE_VALUES } from '../../src/steps/recompose/published-images.ts';
import { fuzz, fuzzAsync, mutatedBytes, mutatedJson, mutatedText } from '../support/fuzz.ts';
import { IDENTICAL } from '../support/rebuild-samples.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

it('statements of strangers', () => {
  const payload = rebuildStatement(IDENTICAL);
  const read = (text: string) => parseRebuild(Buffer.from(text), 'FILE');
  fuzz(mutatedText([String(payload)]), read);
  fuzz(mutatedJson([JSON.parse(String(payload))]), (value) => read(JSON.stringify(value) ?? ''), {
    check: ({ verdict, rebuilt, published }) => expect(verdict === 'identical').toBe(rebuilt === published),
  });
});

it('what strangers say that images were filled in with: nothing ends a word in a file', () => {
  const values = {
    ...{ product: 'lab', prefix: 'Lab', version: '20261121_01', stream: 'nightly', arch: 'x86_64' },
    ...{ ref: 'lab/x86_64/nightly', osName: 'lab', remoteName: 'lab', remoteUrl: 'https://lab.example/repo' },
  };
  fuzz(mutatedJson([values]), (value) => readRecord(JSON.stringify(value) ?? '', IMAGE_VALUES, 'FILE'), {
    check: (read) => {
      for (const text of Object.values(read)) expect(text).not.toMatch(/[\n'"`$\\{}]/);
      for (const name of [read.osName, read.remoteName]) expect(name).not.toMatch(/^\.|\//);
    },
  });
});

it('their envelopes', () => {
  const line = envelopeLine(rebuildStatement(IDENTICAL), Buffer.alloc(70, 1));
  const read = (text: string) => parseEnvelope(Buffer.from(text), 'FILE');
  fuzz(mutatedText([line]), read);
  fuzz(mutatedJson([JSON.parse(line)]), (value) => read(JSON.stringify(value) ?? ''));
});

it('treefiles of strangers: whatever is unpacked stays in its folder', async () => {
  const dir = temporaryFolder();
  const members = ['host.yaml', `${'d/'.repeat(60)}x`];
  for (const path of members) {
    mkdirSync(join(dir, path, '..'), { recursive: true });
    writeFileSync(join(dir, path), 'ref: a/b\n');
  }
  const archive = join(dir, 'treefile.tar.gz');
  await makeTar({ archive, folder: dir, members, timestamp: 0, gzip: true, keepModes: true }, testTask(dir));
  const packed = readFileSync(archive);
  const check = (found: Awaited<ReturnType<typeof readTreefileArchive>>) => {
    expect(found.every(({ path, mode }) => isPathBelow(path) && (mode & ~0o777) === 0)).toBe(true);
  };
  const tar = gunzipSync(packed).subarray(0, 6 * 512);
  await fuzzAsync(mutatedBytes([packed]), (bytes) => readTreefileArchive(bytes, 'FILE'), { check });
  await fuzzAsync(mutatedBytes([tar]), (bytes) => readTreefileArchive(gzipSync(bytes, { level: 1 }), 'FILE'), {
    check,
  });
});
