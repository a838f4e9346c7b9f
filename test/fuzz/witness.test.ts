import { expect, it } from 'vitest';
import { proveConsistency } from '../../src/log/consistency.ts';
import { cosign } from '../../src/log/cosignature.ts';
import { signatureLine } from '../../src/log/note.ts';
import { formatAddCheckpoint, parseAddCheckpoint } from '../../src/witness/add-checkpoint.ts';
import { readWitnessAnswer } from '../../src/witness/witness-answer.ts';
import { fuzz, mutatedBytes } from '../support/fuzz.ts';
import { memoryLog, WITNESS } from '../support/log-files.ts';

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
