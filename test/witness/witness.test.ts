import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { sha256 } from '../../src/base/files.ts';
import { openCheckpoint, signCheckpoint } from '../../src/log/checkpoint.ts';
import { proveConsistency } from '../../src/log/consistency.ts';
import { grow, NO_TREE } from '../../src/log/grow.ts';
import { formatVkey, type NoteKey, noteSigner, parseVkey } from '../../src/log/note-keys.ts';
import { parsePolicy } from '../../src/log/policy.ts';
import { openTileTree } from '../../src/log/tile-tree.ts';
import { formatAddCheckpoint } from '../../src/witness/add-checkpoint.ts';
import { collectCosignatures } from '../../src/witness/collect-cosignatures.ts';
import { entriesFrom, LOG, memoryLog, VECTORS } from '../support/log-files.ts';
import { killIfThere } from '../support/processes.ts';
import { sharedFolder, temporaryFolder } from '../support/tmp.ts';
import { runCli, startCli } from '../support/world.ts';

const PLACE = { file: 'FILE' };

/** A log whose entries after the first 300 are others: signed, and another history. */
const FORK = forked(300, 600);
const GOOD = memoryLog(300, 600, 601);

function forked(common: number, size: number) {
  const files = new Map<string, Buffer>();
  const grown = grow(NO_TREE, [...entriesFrom(0, common), ...entriesFrom(common + 5000, size + 5000)]);
  for (const { path, content } of grown.files) files.set(path, content);
  const open = () => openTileTree(async (path) => files.get(path), grown, 'fork');
  return { checkpoint: signCheckpoint({ origin: VECTORS.origin, ...grown }, LOG), open };
}

const checkpointOf = (size: number) =>
  signCheckpoint({ origin: VECTORS.origin, size, root: GOOD.roots.get(size) ?? Buffer.alloc(0) }, LOG);
const proofOf = async (older: number, size: number) => proveConsistency((await GOOD.open(size)).nodeOf, older, size);
const request = async (old: number, size: number) =>
  formatAddCheckpoint({ old, proof: await proofOf(old, size), checkpoint: checkpointOf(size) });

interface Running {
  readonly url: string;
  readonly pid: number;
  readonly key: NoteKey;
  readonly dir: string;
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** A new witness in a folder, not yet started. */
async function newWitness(dir: string): Promise<NoteKey> {
  const { code, stdout } = await runCli(dir, ['witness', ...places(dir), '--new-key', 'witness.example/w9']);
  expect(code).toBe(0);
  return parseVkey(stdout.trim(), PLACE);
}

const places = (dir: string) => ['--key', join(dir, 'key'), '--state', join(dir, 'state')];

/** Starts the program as another process; whoever calls ends it. */
async function start(dir: string, key: NoteKey, more: readonly string[] = []): Promise<Running> {
  const where = ['--listen', '127.0.0.1:0', '--log', VECTORS.logVkey];
  const child = startCli(dir, ['witness', ...places(dir), ...where, ...more]);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
  const exited = new Promise<number | null>((settle) => child.once('exit', settle));
  while (!said.includes('listening on ')) {
    if (child.exitCode !== null) throw new Error(said);
    await Promise.race([once(child.stdout, 'data'), exited]);
  }
  const url = /listening on (\S+)/.exec(said)?.[1] ?? '';
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal);
    return exited;
  };
  return { url, pid: child.pid ?? 0, key, dir, end };
}

async function started(): Promise<Running> {
  const dir = temporaryFolder();
  const witness = await start(dir, await newWitness(dir));
  onTestFinished(() => killIfThere(-witness.pid));
  return witness;
}

async function post(url: string, body: string | Uint8Array) {
  const response = await fetch(`${url}/add-checkpoint`, { method: 'POST', body: Buffer.from(body) });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
}

/** When a witness cosigned a checkpoint, by an answer of it. */
function timeIn(answer: string, checkpoint: string, key: NoteKey): number | undefined {
  return openCheckpoint(Buffer.from(checkpoint + answer), { log: LOG, witnesses: [key] }, PLACE).cosigned.get(key);
}

const stateFile = (dir: string) => join(dir, 'state', sha256(VECTORS.origin), 'checkpoint');

describe('a witness', () => {
  let witness: Running;
  const dir = sharedFolder();
  beforeAll(async () => {
    witness = await start(dir, await newWitness(dir));
    return () => killIfThere(-witness.pid);
  });

  it('cosigns a log that grows, and refuses what the specification has it refuse', async () => {
    const { url, key } = witness;
    const read = () => fetch(`${url}/${sha256(VECTORS.origin)}/checkpoint`);
    expect((await read()).status).toBe(404);
    const now = Math.floor(Date.now() / 1000);
    const first = await post(url, await request(0, 300));
    expect([first.status, timeIn(first.text, checkpointOf(300), key)]).toEqual([200, expect.any(Number)]);
    expect(Math.abs((timeIn(first.text, checkpointOf(300), key) ?? 0) - now)).toBeLessThan(300);
    // What it has is on disk, and what others read.
    const shown = await read();
    expect([shown.headers.get('content-type'), await shown.text()]).toEqual([
      'text/plain; charset=utf-8',
      readFileSync(stateFile(dir), 'utf8'),
    ]);
    expect(readFileSync(stateFile(dir), 'utf8')).toBe(checkpointOf(300) + first.text);

    const conflict = { status: 409, type: 'text/x.tlog.size', text: '300\n' };
    expect(await post(url, await request(0, 600))).toEqual(conflict);
    expect(await post(url, await request(0, 300))).toEqual(conflict);
    const [proof, root] = [await proofOf(300, 600), GOOD.roots.get(600)?.toString('base64') ?? ''];
    const plain = { old: 300, proof, checkpoint: checkpointOf(600) };
    const other = noteSigner(LOG.name, 'ed25519', Buffer.alloc(32, 7));
    const strange = noteSigner('other.example/log', 'ed25519', Buffer.alloc(32, 7));
    const head = { origin: VECTORS.origin, size: 600, root: GOOD.roots.get(600) ?? Buffer.alloc(0) };
    const cases: readonly [number, string][] = [
      [422, formatAddCheckpoint({ ...plain, proof: proof.slice(1) })],
      [422, formatAddCheckpoint({ ...plain, proof: [...proof, head.root] })],
      [422, formatAddCheckpoint({ ...plain, proof: [] })],
      [422, formatAddCheckpoint({ ...plain, checkpoint: FORK.checkpoint })],
      [403, formatAddCheckpoint({ ...plain, checkpoint: signCheckpoint(head, other) })],
      [
        403,
        formatAddCheckpoint({
          ...plain,
          checkpoint: plain.checkpoint.replace(root, FORK.checkpoint.split('\n')[2] ?? ''),
        }),
      ],
      [404, formatAddCheckpoint({ ...plain, checkpoint: signCheckpoint({ ...head, origin: strange.name }, strange) })],
      [400, formatAddCheckpoint({ ...plain, old: 601 })],
      [400, formatAddCheckpoint(plain).replace('old 300', 'old 0300')],
      [400, formatAddCheckpoint(plain).replaceAll('\n', '\r\n')],
      [400, formatAddCheckpoint({ ...plain, proof: Array.from({ length: 64 }, () => head.root) })],
      [400, ''],
      [413, 'x'.repeat(70_000)],
    ];
    for (const [status, body] of cases)
      expect([status, body, (await post(url, body)).status]).toEqual([status, body, status]);
    // None of that changed anything.
    const second = await post(url, formatAddCheckpoint(plain));
    expect([second.status, timeIn(second.text, checkpointOf(600), key)]).toEqual([200, expect.any(Number)]);
    expect((await post(url, formatAddCheckpoint({ ...plain, old: 600, proof: [] }))).status).toBe(200);
    const fork = await post(url, formatAddCheckpoint({ old: 600, proof: [], checkpoint: FORK.checkpoint }));
    expect([fork.status, fork.type]).toEqual([409, 'text/plain; charset=utf-8']);
    for (const path of ['/x/checkpoint', `/${'0'.repeat(64)}/checkpoint`, '/../key', '/add-checkpoints'])
      expect([path, (await fetch(url + path)).status]).toEqual([path, 404]);
    expect([(await fetch(`${url}/add-checkpoint`)).status, await (await fetch(`${url}/healthz`)).text()]).toEqual([
      405,
      'ok\n',
    ]);
    expect(await (await fetch(url)).text()).toContain(`cosigns ${VECTORS.origin}`);
  });

  it('refuses who asks again and again, and what is no HTTP, and goes on', async () => {
    const body = await request(0, 601);
    const answers = [];
    for (let count = 0; count < 130; count += 1) answers.push((await post(witness.url, body)).status);
    expect([answers[0], answers.at(-1)]).toEqual([409, 429]);
    const { hostname, port } = new URL(witness.url);
    for (const bytes of [
      '\0\0\0',
      'POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
      'GET / HTTP/9\r\n\r\n',
    ]) {
      const socket = connect(Number(port), hostname, () => socket.end(bytes));
      socket.on('error', () => undefined);
      await once(socket.resume(), 'close');
    }
    expect((await fetch(`${witness.url}/healthz`)).status).toBe(200);
  });

  it('is stopped by a signal, and nobody else works with its folder meanwhile', async () => {
    const second = await runCli(dir, ['witness', ...places(dir), '--listen', '127.0.0.1:0', '--log', VECTORS.logVkey]);
    expect([second.code, second.stderr]).toEqual([11, expect.stringContaining('Another witness works')]);
    expect(await witness.end('SIGTERM')).toBe(0);
  });
});

describe('two histories are never both cosigned', () => {
  it('our client and our witness, killed at any moment: what was cosigned is known afterwards', async () => {
    const dir = temporaryFolder();
    const key = await newWitness(dir);
    let cosigned = 0;
    for (let round = 0; round < 6; round += 1) {
      const witness = await start(dir, key);
      onTestFinished(() => killIfThere(-witness.pid));
      const size = [300, 600, 601, 601, 601, 601][round] ?? 601;
      const policy = parsePolicy(
        Buffer.from(
          `log ${VECTORS.logVkey}\nwitness w ${readFileSync(join(dir, 'state/witness'), 'utf8').trim()} ${witness.url}\nquorum w\n`,
        ),
        PLACE,
      );
      const { signal } = new AbortController();
      const patience = { totalMs: 5000, silentMs: 5000 };
      const ask = collectCosignatures(
        {
          checkpoint: checkpointOf(size),
          log: LOG,
          policy,
          before: 0,
          signal,
          patience,
          prove: (older) => proofOf(older, size),
        },
        PLACE,
      );
      let isAnswered = false;
      const answered = () => {
        isAnswered = true;
      };
      ask.then(answered, answered);
      const before = readState(dir);
      // In every second round it dies as soon as the state is on disk, answered or not.
      if (round % 2 === 0) {
        // Cosigned in the second of the round before it has the same bytes.
        while (readState(dir) === before && !isAnswered) await new Promise(setImmediate);
        killIfThere(-witness.pid);
      }
      const result = await ask;
      if (result.isQuorum) cosigned = Math.max(cosigned, size);
      if (round % 2 === 1) expect(result.isQuorum).toBe(true);
      // State before answer: whatever was answered is what is on disk.
      const kept = openCheckpoint(Buffer.from(readState(dir)), { log: LOG, witnesses: [key] }, PLACE);
      expect([kept.size >= cosigned, kept.cosigned.size]).toEqual([true, 1]);
      killIfThere(-witness.pid);
      await witness.end('SIGKILL');
    }
    expect(cosigned).toBe(601);
  });

  it('asked for both at once, again and again', async () => {
    const witness = await started();
    const fork = await FORK.open();
    const common = await post(witness.url, await request(0, 300));
    expect(common.status).toBe(200);
    const good = await request(300, 600);
    const bad = formatAddCheckpoint({
      old: 300,
      proof: await proveConsistency(fork.nodeOf, 300, 600),
      checkpoint: FORK.checkpoint,
    });
    // Both are right by themselves: whichever comes first decides.
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, at) => post(witness.url, at % 2 === 0 ? good : bad)),
    );
    const signed = answers.map(({ status }, at) => ({ status, tree: at % 2 })).filter(({ status }) => status === 200);
    expect(signed).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(29);
    // And those who take the size that they were told, and ask once more.
    const again = await Promise.all(
      [checkpointOf(600), FORK.checkpoint].map((checkpoint) =>
        post(witness.url, formatAddCheckpoint({ old: 600, proof: [], checkpoint })),
      ),
    );
    expect(again.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(again[signed[0]?.tree ?? 0]?.status).toBe(200);
  });

  it('a state that cannot be written is not answered', async () => {
    const witness = await started();
    expect((await post(witness.url, await request(0, 300))).status).toBe(200);
    // A folder in the place of the file: it cannot be replaced.
    const before = readState(witness.dir);
    rmSync(stateFile(witness.dir));
    mkdirSync(join(stateFile(witness.dir), 'x'), { recursive: true });
    expect(await post(witness.url, await request(300, 600))).toMatchObject({
      status: 500,
      text: expect.not.stringContaining('\u2014'),
    });
    rmSync(stateFile(witness.dir), { recursive: true });
    writeFileSync(stateFile(witness.dir), before);
    expect((await post(witness.url, await request(300, 600))).status).toBe(200);
  });

  it('a folder that is lost, damaged or of another key stops it from beginning anew', async () => {
    const witness = await started();
    const { dir } = witness;
    expect((await post(witness.url, await request(0, 300))).status).toBe(200);
    await witness.end('SIGTERM');
    const restart = () => runCli(dir, ['witness', ...places(dir), '--listen', '127.0.0.1:0', '--log', VECTORS.logVkey]);
    const good = readState(dir);
    for (const [text, why] of [
      ['', 'no signed note'],
      [good.slice(0, 40), 'no signed note'],
      [checkpointOf(300), 'not what the witness wrote'],
      [good.replace('\n300\n', '\n299\n'), 'not what the witness wrote'],
    ] as const) {
      writeFileSync(stateFile(dir), text);
      expect(await restart()).toMatchObject({ code: 1, stderr: expect.stringContaining(why) });
    }
    // Of two logs the other is still cosigned; of this one nothing is, and nothing is told.
    const second = noteSigner('second.example/log', 'ed25519', Buffer.alloc(32, 9));
    const both = await start(dir, witness.key, ['--log', formatVkey(second)]);
    onTestFinished(() => killIfThere(-both.pid));
    expect((await post(both.url, await request(300, 600))).status).toBe(500);
    expect((await fetch(`${both.url}/${sha256(VECTORS.origin)}/checkpoint`)).status).toBe(500);
    const { size, root } = grow(NO_TREE, entriesFrom(0, 1));
    const fresh = { old: 0, proof: [], checkpoint: signCheckpoint({ origin: second.name, size, root }, second) };
    expect((await post(both.url, formatAddCheckpoint(fresh))).status).toBe(200);
    await both.end('SIGTERM');
    renameSync(join(dir, 'state'), join(dir, 'away'));
    expect(await restart()).toMatchObject({ code: 2, stderr: expect.stringContaining('has no state of a witness') });
    const third = temporaryFolder();
    await newWitness(third);
    renameSync(join(third, 'state'), join(dir, 'state'));
    expect(await restart()).toMatchObject({ code: 2, stderr: expect.stringContaining('is that of the witness') });
    expect(await runCli(dir, ['witness', ...places(dir), '--new-key', 'w'])).toMatchObject({ code: 2 });
  });

  it('makes the folders that it needs; a try that fails leaves nothing in the way of the next', async () => {
    const dir = temporaryFolder();
    const key = join(dir, 'etc/atomic-nightly/witness.key');
    const make = (state: string) =>
      runCli(dir, ['witness', '--new-key', 'w', '--key', key, '--state', join(dir, state)]);
    expect(await make('.')).toMatchObject({ code: 2, stderr: expect.stringContaining('is not empty') });
    expect(existsSync(key)).toBe(false);
    expect(await make('var/lib/witness')).toMatchObject({ code: 0 });
    expect(statSync(key).mode & 0o777).toBe(0o600);
  });

  it.each([
    [['--listen', 'nowhere'], 'must be host:port'],
    [['--log', VECTORS.witnessVkey], 'key of a witness'],
    [[], 'Name the logs'],
    [['--new-key', 'a b'], 'cannot name a key'],
  ])('%j: a clear error', async (args, why) => {
    const dir = temporaryFolder();
    const result = await runCli(dir, ['witness', ...places(dir), ...args]);
    expect([result.code, result.stderr]).toEqual([2, expect.stringContaining(why)]);
  });
});

function readState(dir: string): string {
  try {
    return readFileSync(stateFile(dir), 'utf8');
  } catch {
    return '';
  }
}
