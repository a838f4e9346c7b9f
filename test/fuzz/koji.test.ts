import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readRecord } from '../../src/base/read-record.ts';
import { TAG_FAILURE } from '../../src/content/tag-failure.ts';
import { TAG_CHANGE } from '../../src/content/tag-history.ts';
import { TAG_STATE } from '../../src/content/tag-state.ts';
import { tagConfig, taggedRpms, tagHistory } from '../../src/koji/hub-queries.ts';
import { fileUrl, signedPath } from '../../src/koji/koji-files.ts';
import { answerReader } from '../../src/koji/read-answer.ts';
import { FormatError } from '../../src/rpm/format-error.ts';
import { fuzz, mutatedBytes, mutatedJson } from '../support/fuzz.ts';
import { readAnswer } from '../support/koji-dialect.ts';

const FOLDER = join(import.meta.dirname, '../fixtures/koji');
const bodyOf = (name: string): Buffer => {
  const bytes = readFileSync(join(FOLDER, name));
  return bytes.subarray(bytes.indexOf('<?xml'));
};
const ANSWERS = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.response'))
  .map(bodyOf);

it('answers of a hub: a value or a fault, or refused', () => {
  fuzz(
    mutatedBytes(ANSWERS),
    (bytes) => {
      const reader = answerReader();
      reader.write(bytes);
      return reader.end();
    },
    {
      refusals: [FormatError],
      check: (answer) => expect(answer.kind === 'value' || Number.isSafeInteger(answer.code)).toBe(true),
    },
  );
});

const recordedValue = (name: string): unknown => {
  const answer = readAnswer(bodyOf(name));
  return answer.kind === 'value' ? answer.value : undefined;
};

it('what calls answer is of its shape, or refused; no name of a package leads out of the folder of packages', () => {
  fuzz(
    mutatedJson([recordedValue('16-listTaggedRPMS.response')]),
    (value) => taggedRpms('x', 1).shape.safeParse(value).data,
    {
      check: (tagged) => {
        for (const rpm of tagged?.[0] ?? []) {
          for (const build of tagged?.[1] ?? []) {
            const url = pathOrRefusal(() => fileUrl('http://hub/kojifiles', signedPath(build, rpm, 'bfcdd224')));
            expect(url === undefined || new URL(url).pathname.startsWith('/kojifiles/')).toBe(true);
            expect((url ?? '').split('/')).not.toContain('..');
          }
        }
      },
    },
  );
  fuzz(mutatedJson([recordedValue('12-getBuildConfig.response')]), (value) => tagConfig('x', 1).shape.safeParse(value));
  fuzz(mutatedJson([recordedValue('24-queryHistory.response')]), (value) => tagHistory('x').shape.safeParse(value));
});

function pathOrRefusal(path: () => string): string | undefined {
  try {
    return path();
  } catch (error) {
    expect(error).toMatchObject({ code: 'koji' });
    return undefined;
  }
}

const STATE = {
  ...{ version: 1, tag: 't', 'tag-id': 1, event: 2, since: 1, arches: ['x86_64'], 'former-arches': [] },
  ...{ settings: 'ab'.repeat(32), pushed: true, at: 3, waiting: 0, looked: 3, blocked: [{ file: 'a', why: 'b' }] },
  packages: [{ file: 'a-1-1.noarch.rpm', payloadhash: 'cd'.repeat(16), sha256: 'ef'.repeat(32), build: 'a-1-1' }],
};
const CHANGE = {
  ...{ at: '2026-11-29T00:00:00Z', tag: 't', event: 2, level: 'release', key: 'AB', pushed: true },
  ...{ repositories: [{ target: 'm', folder: 'x', repomd: 'ab' }], removed: [] },
  added: [{ file: 'a-1-1.noarch.rpm', sha256: 'ef'.repeat(32), by: 'alice', event: 1 }],
};

it('state, failure and history of a tag: whole, or refused by name', () => {
  fuzz(mutatedJson([STATE]), (value) => readRecord(JSON.stringify(value) ?? '', TAG_STATE, 'FILE'), {
    check: ({ packages }) => expect(packages.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256))).toBe(true),
  });
  const failure = { version: 1, since: 1, at: 2, code: 'koji', why: 'The hub is away.' };
  fuzz(mutatedJson([failure]), (value) => readRecord(JSON.stringify(value) ?? '', TAG_FAILURE, 'FILE'));
  fuzz(mutatedJson([CHANGE]), (value) => readRecord(JSON.stringify(value) ?? '', TAG_CHANGE, 'FILE'));
});
