import { expect, it } from 'vitest';
import { openCheckpoint } from '../../src/log/checkpoint.ts';
import { proveConsistency, type TreeHead } from '../../src/log/consistency.ts';
import { cosign } from '../../src/log/cosignature.ts';
import { signatureLine } from '../../src/log/note.ts';
import { formatAddCheckpoint, parseAddCheckpoint } from '../../src/witness/add-checkpoint.ts';
import { startWitness } from '../../src/witness/cosign-request.ts';
import { readWitnessAnswer } from '../../src/witness/witness-answer.ts';
import type { WitnessState } from '../../src/witness/witness-state.ts';
import { fuzz, fuzzAsync, mutatedBytes } from '../support/fuzz.ts';
import { LOG, memoryLog, WITNESS } from '../support/log-files.ts';

const log = memoryLog(3, 13);
const TEXT = log.checkpoint.slice(0, log.checkpoint.indexOf('\n\n') + 1);
const tree = await log.open(13);
const REQUEST = formatAddCheckpoint({
  old: 3,
  proof: await proveConsistency(tree.nodeOf, 3, 13),
  checkpoint: log.checkpoint,
});

it('requests to a witness: what is accepted is spelled in one way', () => {
  fuzz(mutatedBytes([REQUEST, 'old 0\n\n']), (bytes) => {
    expect(formatAddCheckpoint(parseAddCheckpoint(bytes, { file: 'FILE' }))).toBe(Buffer.from(bytes).toString());
  });
});

it('answers of a witness: no signature but its own over that text counts', () => {
  const line = signatureLine(cosign(TEXT, 1_700_000_000, WITNESS));
  fuzz(
    mutatedBytes([line, line + line]),
    (body) => readWitnessAnswer({ status: 200, contentType: '', body }, TEXT, WITNESS),
    { check: (answer) => expect(answer).toMatchObject({ kind: 'cosigned', time: 1_700_000_000 }) },
  );
  fuzz(
    mutatedBytes(['13\n', '9007199254740991\n']),
    (body) => readWitnessAnswer({ status: 409, contentType: 'text/x.tlog.size', body }, TEXT, WITNESS),
    { check: (answer) => expect(answer.kind === 'has' && Number.isSafeInteger(answer.size)).toBe(true) },
  );
  fuzz(
    mutatedBytes(['unknown log\n']),
    (body) => readWitnessAnswer({ status: 404, contentType: '', body }, TEXT, WITNESS),
    { check: (answer) => expect(answer.kind === 'refused' && /^[^\p{Cc}]*$/u.test(answer.why)).toBe(true) },
  );
});

it('a witness cosigns nothing but what is consistent, whatever it is sent', async () => {
  const kept: string[] = [];
  let last: TreeHead | undefined;
  const state: WitnessState = {
    last: () => last,
    checkpoint: () => undefined,
    async keep(_, tree, note) {
      last = tree;
      kept.push(note);
    },
  };
  const witness = startWitness(WITNESS, new Map([[LOG.name, [LOG]]]), state);
  await witness.cosign(Buffer.from(formatAddCheckpoint({ old: 0, proof: [], checkpoint: memoryLog(3).checkpoint })));
  expect(last?.size).toBe(3);
  await fuzzAsync(mutatedBytes([REQUEST, REQUEST.replace('old 3', 'old 13')]), async (body) => {
    await witness.cosign(body);
  });
  const sizes = kept.map(
    (note) => openCheckpoint(Buffer.from(note), { log: LOG, witnesses: [WITNESS] }, { file: 'KEPT' }).size,
  );
  // Only the request as it was made leads further.
  expect(new Set(sizes)).toEqual(new Set(sizes.includes(13) ? [3, 13] : [3]));
});
