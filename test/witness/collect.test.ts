import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/log/checkpoint.ts';
import { isConsistent, proveConsistency } from '../../src/log/consistency.ts';
import { cosign } from '../../src/log/cosignature.ts';
import { signatureLine } from '../../src/log/note.ts';
import { formatVkey, noteSigner } from '../../src/log/note-keys.ts';
import { parsePolicy } from '../../src/log/policy.ts';
import { type CollectRequest, collectCosignatures } from '../../src/witness/collect-cosignatures.ts';
import { LOG, memoryLog, VECTORS } from '../support/log-files.ts';
import { cosignAll, hasSize, type Script, scriptedWitness } from '../support/scripted-witness.ts';

const PLACE = { file: 'FILE' };
const SIGNERS = [1, 2, 3].map((seed) => noteSigner(`w${seed}.example`, 'cosignature', Buffer.alloc(32, seed)));
const [W1 = LOG, W2 = LOG] = SIGNERS;
const QUICK = { totalMs: 3000, silentMs: 1000 };

const policyOf = (urls: readonly (string | undefined)[], quorum: string) => {
  const witnesses = urls.map((url, at) => `witness w${at + 1} ${formatVkey(SIGNERS[at] ?? LOG)} ${url ?? ''}`);
  return parsePolicy(Buffer.from([`log ${VECTORS.logVkey}`, ...witnesses, quorum, ''].join('\n')), PLACE);
};

const log = memoryLog(300, 600);
const tree = await log.open(600);
const TEXT = log.checkpoint.slice(0, log.checkpoint.indexOf('\n\n') + 1);

async function collect(
  scripts: readonly (Script | undefined)[],
  quorum: string,
  options: Partial<CollectRequest> = {},
) {
  const servers = await Promise.all(scripts.map((script) => script && scriptedWitness(script)));
  const policy = policyOf(
    servers.map((server) => server?.url),
    quorum,
  );
  const request: CollectRequest = {
    ...{ checkpoint: log.checkpoint, log: LOG, policy, before: 300, patience: QUICK },
    ...{ prove: (older) => proveConsistency(tree.nodeOf, older, 600), signal: new AbortController().signal },
    ...options,
  };
  const result = await collectCosignatures(request, PLACE);
  const missing = result.missing.map(({ witness, kind, why }) => ({ name: witness.name, kind, why }));
  // Whatever was collected verifies as a whole, and is exactly what was said.
  const keys = { log: LOG, witnesses: policy.witnesses.map(({ key }) => key) };
  expect(openCheckpoint(Buffer.from(result.checkpoint), keys, PLACE).cosigned).toEqual(result.cosigned);
  return { ...result, missing, requests: servers.map((server) => server?.requests ?? []) };
}

const names = (cosigned: ReadonlyMap<{ readonly name: string }, number>) =>
  [...cosigned.keys()].map(({ name }) => name);

describe('cosignatures are collected', () => {
  it('from all witnesses, each given the proof from what it has', async () => {
    const behind: Script = (request, response) =>
      request.old === 0 ? cosignAll(W2)(request, response) : hasSize(0, response);
    const { cosigned, missing, isQuorum, requests } = await collect(
      [cosignAll(W1), behind],
      'group g all w1 w2\nquorum g',
    );
    expect([names(cosigned), missing, isQuorum]).toEqual([[W1.name, W2.name], [], true]);
    expect(requests.map((all) => all.map(({ old }) => old))).toEqual([[300], [300, 0]]);
    const [{ old, proof } = { old: 0, proof: [] }] = requests[0] ?? [];
    const [older, root] = [log.roots.get(300) ?? Buffer.alloc(0), log.roots.get(600) ?? Buffer.alloc(0)];
    expect(isConsistent({ size: old, root: older }, { size: 600, root }, proof)).toBe(true);
    expect(requests[1]?.[1]?.proof).toEqual([]);
  });

  it('anew, with those that the checkpoint has kept where a witness is gone', async () => {
    const now = Math.floor(Date.now() / 1000);
    const lines = [W1, W2].map((one, at) => signatureLine(cosign(TEXT, now - 100 - at, one)));
    const gone: Script = (_, response) => void response.socket?.destroy();
    const { cosigned, missing, isQuorum, requests, checkpoint } = await collect(
      [cosignAll(W1, () => now), gone],
      'group g all w1 w2\nquorum g',
      { checkpoint: log.checkpoint + lines.join(''), before: 600 },
    );
    expect([...cosigned.values()]).toEqual([now, now - 101]);
    expect([missing.map(({ name, kind }) => [name, kind]), isQuorum]).toEqual([[['w2', 'no-answer']], true]);
    expect(requests[0]).toMatchObject([{ old: 600, proof: [], checkpoint: log.checkpoint }]);
    expect(checkpoint.split('\n').filter((line) => line.startsWith('\u2014'))).toHaveLength(3);
  });

  it('a quorum is enough: nobody waits long for the rest', async () => {
    const silent: Script = () => undefined;
    const started = Date.now();
    const patience = { totalMs: 60_000, silentMs: 60_000 };
    const { isQuorum, missing } = await collect(
      [cosignAll(W1), cosignAll(W2), silent],
      'group g 2 w1 w2 w3\nquorum g',
      {
        ...{ patience, graceMs: 100 },
      },
    );
    expect([isQuorum, missing]).toEqual([
      true,
      [{ name: 'w3', kind: 'no-answer', why: 'it did not answer while others did' }],
    ]);
    expect(Date.now() - started).toBeLessThan(30_000);
  });

  it('what fails is tried again', async () => {
    let failures = 2;
    const flaky: Script = (request, response) => {
      failures -= 1;
      if (failures >= 0) response.writeHead(failures === 1 ? 503 : 429).end();
      else cosignAll(W1)(request, response);
    };
    expect((await collect([flaky], 'quorum w1', { patience: { totalMs: 20_000, silentMs: 5000 } })).isQuorum).toBe(
      true,
    );
  });

  it('an interruption ends it at once, and a proof that cannot be made is no fault of a witness', async () => {
    const interrupt = new AbortController();
    const silent: Script = () => interrupt.abort(new Error('interrupted'));
    await expect(collect([silent], 'quorum w1', { signal: interrupt.signal })).rejects.toThrow('interrupted');
    const prove = () => Promise.reject(new Error('the tiles are gone'));
    await expect(collect([cosignAll(W1)], 'quorum w1', { prove })).rejects.toThrow('the tiles are gone');
    await expect(collect([], 'quorum none', { checkpoint: `${TEXT}\n${'\u2014'} x AAAAAAAA\n` })).rejects.toThrow(
      'not signed by the log',
    );
  });
});

describe('a witness that does not cosign is named, with the reason', () => {
  const answer =
    (status: number, body = '', type = 'text/plain'): Script =>
    (_, response) =>
      void response.writeHead(status, { 'content-type': type }).end(body);
  const line = (key = W1, text = TEXT) => signatureLine(cosign(text, Math.floor(Date.now() / 1000), key));
  const drip: Script = (_, response) => {
    const timer = setInterval(() => response.write('\u2014'), 100);
    response.on('close', () => clearInterval(timer));
  };

  it.each<[string, Script | undefined, string, string]>([
    ['no URL', undefined, 'no-answer', 'has no URL'],
    [
      'a redirect',
      (_, response) => void response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
      'no-answer',
      'redirect',
    ],
    ['silence', () => undefined, 'no-answer', 'nothing came from it for 1 s'],
    ['no end', drip, 'no-answer', 'did not answer within 3 s'],
    [
      'too much',
      (_, response: ServerResponse) => void response.end('x'.repeat(70_000)),
      'no-answer',
      'more than 65536 bytes',
    ],
    ['400', answer(400, 'bad\u001b[31m'), 'refused', 'cannot read the request (HTTP 400: bad [31m)'],
    ['403', answer(403), 'refused', 'does not know the key'],
    ['404', answer(404), 'refused', 'does not know this log'],
    ['418', answer(418), 'refused', 'HTTP 418'],
    ['500', answer(500), 'no-answer', 'HTTP 500'],
    ['422', answer(422), 'split', 'not the beginning of this tree'],
    ['409 without a size', answer(409), 'split', 'another tree of the same size'],
    [
      'a longer log',
      (_, response) => hasSize(601, response),
      'ahead',
      'it has cosigned 601 entries of this log, which has 600 now',
    ],
    ['the same size again', ({ old }, response) => hasSize(old, response), 'no-answer', 'did not take the proof'],
    ['another tree of that size', (_, response) => hasSize(600, response), 'split', 'another tree of 600 entries'],
    ['a new size each time', ({ old }, response) => hasSize(old - 1, response), 'no-answer', 'named a size 5 times'],
    ['no size', (_, response) => hasSize('07', response), 'no-answer', 'it is to have a size, and has none'],
    ['a size and more', (_, response) => hasSize('7\n8', response), 'no-answer', 'it is to have a size'],
    ['nothing', answer(200), 'no-answer', 'no signed note'],
    ['the key of another', answer(200, line(W2)), 'no-answer', 'no signature of w1.example'],
    ['another text', answer(200, line(W1, TEXT.replace('600', '601'))), 'no-answer', 'is wrong'],
    ['a good and a wrong one', answer(200, line() + line(W1, TEXT.replace('600', '601'))), 'no-answer', 'is wrong'],
    ['a text before it', answer(200, `x\n\n${line()}`), 'no-answer', 'more than signatures'],
    ['no line feed', answer(200, line().trimEnd()), 'no-answer', 'no signed note'],
    ['a page', answer(200, '<html>\n', 'text/html'), 'no-answer', 'no signed note'],
    ['the time 0', (request, response) => cosignAll(W1, () => 0)(request, response), 'clock', 'behind'],
    [
      'next week',
      (request, response) => cosignAll(W1, () => Math.floor(Date.now() / 1000) + 604_800)(request, response),
      'clock',
      'ahead of',
    ],
  ])('%s', async (_, script, kind, why) => {
    const { missing, isQuorum, cosigned } = await collect([script], 'quorum w1');
    expect([isQuorum, cosigned.size]).toEqual([false, 0]);
    expect(missing).toEqual([{ name: 'w1', kind, why: expect.stringContaining(why) }]);
  });

  it('one that is not there', async () => {
    const policy = policyOf(['http://127.0.0.1:59999/'], 'quorum w1');
    const { missing } = await collect([], 'quorum none', { policy });
    expect(missing).toEqual([
      { name: 'w1', kind: 'no-answer', why: expect.stringMatching(/^http:\/\/127.*ECONNREFUSED/) },
    ]);
  });
});
