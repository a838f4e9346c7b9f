import { execFile } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createMessage, generateKey, sign } from 'openpgp';
import { sha256 } from '../../src/base/files.ts';
import { inParallel } from '../../src/base/parallel.ts';
import { checkpointText, signCheckpoint } from '../../src/log/checkpoint.ts';
import { cosign } from '../../src/log/cosignature.ts';
import { grow, NO_TREE } from '../../src/log/grow.ts';
import { proveInclusion } from '../../src/log/inclusion.ts';
import { leafHash } from '../../src/log/merkle.ts';
import { signatureLine } from '../../src/log/note.ts';
import { formatVkey, type NoteSigner, noteKey, noteSigner } from '../../src/log/note-keys.ts';
import { openpgpId } from '../../src/log/openpgp-line.ts';
import { formatProof } from '../../src/log/proof-file.ts';
import { openTileTree } from '../../src/log/tile-tree.ts';
import { formatEntry, type LogEntry } from '../../src/published/log-entry.ts';
import { LOG, VECTORS } from './log-files.ts';
import type { Mutant } from './script-mutants.ts';

/** The verifier that is published for users. */
export const SCRIPT = new URL('../../verify/verify.sh', import.meta.url).pathname;

/** Shells that it must run in. */
export const SHELLS: Readonly<Record<string, readonly string[]>> = {
  dash: ['dash'],
  bash: ['bash', '--posix'],
  busybox: ['busybox', 'sh'],
};

/** A call of the script: its arguments, and what must come of it. */
export interface VerifyCase {
  readonly name: string;
  readonly args: readonly string[];
  /** Exit code. */
  readonly code: 0 | 1 | 2;
  readonly says: RegExp;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Run {
  readonly code: number;
  readonly said: string;
  /** What it left in its folder for temporary files. */
  readonly left: readonly string[];
}

/** Variables that the script uses may be anything when it begins; `t`, without which a changed one would write to the root, leads nowhere. */
const NAMES = [
  't',
  'policy',
  'vkey',
  'called',
  'commit',
  'ref',
  'logged',
  'have',
  'who',
  'found',
  'when',
  'index',
  'size',
  'entries',
];
const HOSTILE = Object.fromEntries(NAMES.map((name) => [name, name === 'have' ? ' w1 w2 w3 g ' : 'nowhere']));

/** Runs the script, or a changed one, in a folder. */
export async function runScript(
  shell: readonly string[],
  script: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const [program = '', ...before] = shell;
  const temporary = mkdtempSync(join(cwd, 'tmp-'));
  const options = {
    ...{ cwd, timeout: 60_000, encoding: 'utf8' as const },
    env: { ...process.env, ...HOSTILE, TMPDIR: temporary, ...env },
  };
  const { code, said } = await new Promise<Pick<Run, 'code' | 'said'>>((settle) => {
    const child = execFile(program, [...before, script, ...args], options, (error, stdout, stderr) => {
      settle({ code: error ? (typeof error.code === 'number' ? error.code : 99) : 0, said: stdout + stderr });
    });
    child.stdin?.end();
  });
  const left = readdirSync(temporary);
  rmSync(temporary, { recursive: true });
  return { code, said, left };
}

export const WITNESSES = [1, 2, 3].map((seed) =>
  noteSigner(`w${seed}.example/w`, 'cosignature', Buffer.alloc(32, seed)),
);
const [W1 = LOG, W2 = LOG, W3 = LOG] = WITNESSES;
const AT = 1_700_000_000;

const IMAGE = Buffer.from('an image, or so\n');
const OTHER = Buffer.from('another image\n');
const SUMS = Buffer.from('sums\n');
const META = Buffer.from('{}\n');
const COMMIT = 'c0'.repeat(32);
const fileOf = (path: string, content: Uint8Array) => ({ path, sha256: sha256(content), size: content.length });
const digestOf = (content: Uint8Array) => ({ sha256: sha256(content), size: content.length });

const BUILD: LogEntry = {
  ...{ kind: 'build', stream: 'nightly', id: '20261129_01', arch: 'x86_64', commit: COMMIT },
  ...{ sums: digestOf(SUMS), record: digestOf(META) },
  files: [fileOf('images/disk.qcow2', IMAGE), fileOf('images/disk.qcow2.asc', OTHER), fileOf('images/copy', IMAGE)],
};
const REF: LogEntry = { kind: 'ref', ref: 'lab/x86_64/nightly', commit: COMMIT, timestamp: AT, version: 'v "},{' };
const RPMS: LogEntry = { kind: 'rpms', folder: 'content/el9', files: [fileOf('repodata/repomd.xml', SUMS)] };
const TOOL: LogEntry = { kind: 'tool', file: fileOf('get/verify.sh', META), version: '1' };
const REASON: LogEntry = {
  ...{ kind: 'withdraw', stream: 'r', arch: 'x86_64', ids: ['20261129_01'], by: '20261129_02', commit: COMMIT },
  ...{ previous: '20261129_03', reason: `{"path":"x","sha256":"${sha256(IMAGE)}","size":${IMAGE.length}}` },
};
const one = (entry: LogEntry): Buffer => formatEntry(entry)[0] ?? Buffer.alloc(0);
const ENTRIES: Readonly<Record<'build' | 'ref' | 'rpms' | 'tool' | 'reason', Buffer>> = {
  build: one(BUILD),
  ref: one(REF),
  rpms: one(RPMS),
  tool: one(TOOL),
  reason: one(REASON),
};

export interface ProofParts {
  readonly entry: Buffer;
  readonly index: number;
  readonly size: number;
  readonly log?: NoteSigner;
  readonly witnesses?: readonly NoteSigner[];
  readonly at?: number;
  /** Another entry than the one that is in the tree. */
  readonly told?: Buffer;
  readonly extension?: string;
  /** Default: the name of the key. */
  readonly origin?: string;
  /** Makes further lines of signatures over the text of the checkpoint. */
  more?(text: string): Promise<string>;
}

/** Makes a proof for an entry in a log of others, signed and cosigned. */
export async function proofOf(parts: ProofParts): Promise<string> {
  const { entry, index, size, log = LOG, witnesses = WITNESSES, at = AT, told = entry, extension = '' } = parts;
  const { origin = log.name, more = async () => '' } = parts;
  const entries = Array.from({ length: size }, (_, place) =>
    place === index ? entry : Buffer.from(`other ${place}\n`),
  );
  const grown = grow(NO_TREE, entries);
  const files = new Map(grown.files.map(({ path, content }) => [path, content]));
  const tree = await openTileTree(async (path) => files.get(path), grown, 'log');
  const head = { origin, size, root: grown.root };
  const text = checkpointText(head) + extension;
  const signed =
    extension === ''
      ? signCheckpoint(head, log)
      : `${text}\n${signatureLine({ ...log, signature: log.sign(Buffer.from(text)) })}`;
  const cosignatures = witnesses.map((witness) => signatureLine(cosign(text, at, witness))).join('');
  const checkpoint = signed + cosignatures + (await more(text));
  return formatProof({ extra: told, index, hashes: await proveInclusion(tree.nodeOf, index, size), checkpoint });
}

const witnessLine = (number: number) => {
  const witness = WITNESSES[number - 1];
  return `witness w${number} ${witness ? formatVkey(witness) : ''} https://w${number}.example/`;
};
const LINES = [1, 2, 3].map(witnessLine);
export const policyText = (...lines: readonly string[]): string =>
  `${[`log ${VECTORS.logVkey} https://lab.example/log`, ...LINES, ...lines].join('\n')}\n`;

/**
 * Writes what the script is tried with into a folder, and returns all calls: what must be accepted, and every way in which it must
 * refuse. Those that most often find a changed script come first.
 */
export async function verifyCases(dir: string): Promise<VerifyCase[]> {
  const cases: VerifyCase[] = [];
  const write = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(dir, name), content);
    return name;
  };
  mkdirSync(join(dir, 'away'), { recursive: true });
  for (const [name, content] of [
    ['disk.qcow2', IMAGE],
    ['renamed', IMAGE],
    ['away/disk.qcow2', OTHER],
    ['-x=y', IMAGE],
    ['SHA256SUMS', SUMS],
    ['meta.json', META],
    ['repomd.xml', SUMS],
    ['verify.sh', META],
    ['x', IMAGE],
  ] as const)
    write(name, content);
  const good = await proofOf({ entry: ENTRIES.build, index: 5, size: 13 });
  const lines = good.split('\n');
  const blank = lines.indexOf('');
  const POLICY = write('policy', policyText('group two 2 w1 w2 w3', 'quorum two'));
  const PROOF = write('good.tlog-proof', good);
  let count = 0;
  const fresh = (content: string | Uint8Array): string => {
    count += 1;
    return write(`made-${count}`, content);
  };
  // An openssl before 3, which has no -rawin, and so cannot verify Ed25519 signatures.
  mkdirSync(join(dir, 'old'), { recursive: true });
  const old =
    '#!/bin/sh\ncase "$1 $2" in "pkeyutl -help") echo " -verify  Verify with public key" >&2 ;; pkeyutl*) exit 1 ;; *) PATH=${PATH#*:} exec openssl "$@" ;; esac\n';
  writeFileSync(join(dir, 'old/openssl'), old, { mode: 0o755 });
  cases.push({
    ...{ name: 'an openssl that is too old', args: ['-p', POLICY, 'disk.qcow2', PROOF], code: 1 },
    says: /^refused: the openssl here cannot verify Ed25519 signatures, OpenSSL 3 can: /,
    env: { PATH: `${join(dir, 'old')}:${process.env['PATH']}` },
  });
  const poor = join(dir, 'poor');
  mkdirSync(poor, { recursive: true });
  for (const name of readdirSync('/usr/bin')) if (name !== 'gpgv') symlinkSync(`/usr/bin/${name}`, join(poor, name));
  const accept = (name: string, args: readonly string[], says: RegExp): void =>
    void cases.push({ name, args, code: 0, says });
  const refuse = (name: string, args: readonly string[], says: RegExp): void =>
    void cases.push({ name, args, code: 1, says });
  const wrong = (name: string, args: readonly string[]): void =>
    void cases.push({
      name,
      args,
      code: 2,
      says: /^usage: verify\.sh -p POLICY \| -k VKEY \| -g KEYS {2}\[-n NAME\] FILE \| \[-r REF\] -c COMMIT {2}PROOF\n$/,
    });
  /** With another proof than the good one. */
  const proofCase = (name: string, text: string | Uint8Array, says: RegExp, policy = POLICY) =>
    refuse(name, ['-p', policy, 'disk.qcow2', fresh(text)], says);
  const edit = (from: string | RegExp, to: string): string => {
    const text = good.replace(from, to);
    if (text === good) throw new Error(`nothing changed: ${from}`);
    return text;
  };
  const policyCase = (name: string, text: string | Uint8Array, says: RegExp, proof = PROOF) =>
    refuse(name, ['-p', fresh(text), 'disk.qcow2', proof], says);

  accept(
    'a file',
    ['-p', POLICY, 'disk.qcow2', PROOF],
    /^ok: images\/disk\.qcow2 of build 20261129_01 is entry 5 of the log lab\.example\/atomic-log, which had 13 entries, cosigned by w1 on 2023-11-14, cosigned by w2 on 2023-11-14, cosigned by w3 on 2023-11-14\n$/,
  );
  const ref = write('ref.tlog-proof', await proofOf({ entry: ENTRIES.ref, index: 12, size: 13 }));
  accept('a commit', ['-p', POLICY, '-c', COMMIT, ref], /^ok: commit (c0){32} of lab\/x86_64\/nightly is entry 12 /);
  accept('a commit of a ref', ['-p', POLICY, '-r', 'lab/x86_64/nightly', '-c', COMMIT, ref], /^ok: commit/);
  refuse('another commit', ['-p', POLICY, '-c', 'c1'.repeat(32), ref], /about another commit/);
  refuse('another ref', ['-p', POLICY, '-r', 'lab/x86_64/nightl', '-c', COMMIT, ref], /or another ref/);
  refuse('a commit by the entry of a build', ['-p', POLICY, '-c', COMMIT, PROOF], /about another commit/);
  refuse(
    'a changed file',
    ['-p', POLICY, 'away/disk.qcow2', PROOF],
    /names no file disk\.qcow2 with the bytes of away\/disk\.qcow2/,
  );
  refuse('a file under another name', ['-p', POLICY, 'renamed', PROOF], /names no file renamed/);
  refuse('the end of a name', ['-p', POLICY, '-n', 'isk.qcow2', 'renamed', PROOF], /names no file isk\.qcow2/);
  refuse('the name of another', ['-p', POLICY, '-n', 'disk.qcow2.asc', 'renamed', PROOF], /names no file/);
  accept('renamed', ['-p', POLICY, '-n', 'disk.qcow2', 'renamed', PROOF], /^ok: images\/disk\.qcow2 of build/);
  accept('by its whole path', ['-p', POLICY, '-n', 'images/copy', 'renamed', PROOF], /^ok: images\/copy of build/);
  accept('SHA256SUMS', ['-p', POLICY, 'SHA256SUMS', PROOF], /^ok: SHA256SUMS of build 2/);
  accept('meta.json', ['-p', POLICY, 'meta.json', PROOF], /^ok: meta\.json of build 2/);
  refuse('SHA256SUMS as meta.json', ['-p', POLICY, '-n', 'meta.json', 'SHA256SUMS', PROOF], /names no file/);
  refuse('meta.json as SHA256SUMS', ['-p', POLICY, '-n', 'SHA256SUMS', 'meta.json', PROOF], /names no file/);
  const rpms = fresh(await proofOf({ entry: ENTRIES.rpms, index: 0, size: 1 }));
  accept(
    'a log of one entry',
    ['-p', POLICY, 'repomd.xml', rpms],
    /^ok: repodata\/repomd\.xml is entry 0 .* had 1 entry, cosigned/,
  );
  const tool = fresh(await proofOf({ entry: ENTRIES.tool, index: 1, size: 3 }));
  accept('the script itself', ['-p', POLICY, 'verify.sh', tool], /^ok: get\/verify\.sh is entry 1 /);
  const reason = fresh(await proofOf({ entry: ENTRIES.reason, index: 1, size: 3 }));
  refuse('a file that only a text names', ['-p', POLICY, 'x', reason], /names no file x/);
  accept('one log without witnesses', ['-k', VECTORS.logVkey, 'disk.qcow2', PROOF], /had 13 entries\n$/);
  copyFileSync(join(dir, PROOF), join(dir, '-p=f'));
  copyFileSync(join(dir, POLICY), join(dir, '-p=l'));
  accept('odd names', ['-p', '-p=l', '-n', 'disk.qcow2', '--', '-x=y', '-p=f'], /^ok/);
  proofCase(
    'the vectors: the proof is right, the entry of no file',
    vectorProof(),
    /the entry names no file/,
    fresh(`log ${VECTORS.logVkey}\nwitness w ${VECTORS.witnessVkey}\nquorum w\n`),
  );

  await openpgpCases(
    {
      ...{ good, accept, refuse, wrong, fresh, write },
      old: { PATH: `${join(dir, 'old')}:${process.env['PATH']}` },
      poor: { PATH: poor },
    },
    cases,
  );

  // The command line.
  wrong('nothing', []);
  wrong('no policy', ['disk.qcow2', PROOF]);
  wrong('two policies', ['-p', POLICY, '-k', VECTORS.logVkey, 'disk.qcow2', PROOF]);
  wrong('no proof', ['-p', POLICY, 'disk.qcow2']);
  wrong('too much', ['-p', POLICY, 'disk.qcow2', PROOF, PROOF]);
  wrong('an unknown option', ['-p', POLICY, '-z', 'disk.qcow2', PROOF]);
  wrong('a ref of a file', ['-p', POLICY, '-r', 'x', 'disk.qcow2', PROOF]);
  wrong('a name of a commit', ['-p', POLICY, '-n', 'x', '-c', COMMIT, ref]);
  wrong('a commit and a file', ['-p', POLICY, '-c', COMMIT, 'disk.qcow2', ref]);
  wrong('a short commit', ['-p', POLICY, '-c', COMMIT.slice(1), ref]);
  wrong('a commit that is none', ['-p', POLICY, '-c', COMMIT.replace(/^c/, 'C'), ref]);
  refuse('no such file', ['-p', POLICY, 'nowhere', PROOF], /no file nowhere/);
  refuse('no such proof', ['-p', POLICY, 'disk.qcow2', 'nowhere'], /no proof nowhere/);
  refuse('no such policy', ['-p', 'nowhere', 'disk.qcow2', PROOF], /no policy nowhere/);

  // The proof as a file.
  proofCase('CRLF', good.replaceAll('\n', '\r\n'), /is not text/);
  proofCase('one CR', edit('index 5', 'index 5\r'), /is not text/);
  proofCase('a NUL', edit('index 5', 'index 5\0'), /is not text/);
  proofCase('a tab', edit('index 5', 'index 5\t'), /is not text/);
  proofCase('DEL', edit('index 5', 'index 5\u007f'), /is not text/);
  proofCase('no last line feed', good.slice(0, -1), /cut short/);
  proofCase('no last line feed, and an x', `${good.slice(0, -1)}x`, /cut short/);
  proofCase('empty', '', /has no checkpoint/);
  proofCase('too long', edit(/$/, `${'— x AAAAAAAA\n'.repeat(80_000)}`), /too long/);
  proofCase('too many signatures', edit(/$/, `${'— x AAAAAAAA\n'.repeat(97)}`), /too many signatures/);
  accept('a hundred signatures', ['-p', POLICY, 'disk.qcow2', fresh(edit(/$/, '— x AAAAAAAA\n'.repeat(96)))], /^ok/);
  proofCase('another version', edit('proof@v1', 'proof@v2'), /malformed/);
  proofCase('no version', lines.slice(1).join('\n'), /malformed/);
  proofCase('no entry', lines.toSpliced(1, 1).join('\n'), /has no entry/);
  proofCase('no index', lines.toSpliced(2, 1).join('\n'), /has no index/);
  proofCase('no index, and no hashes', lines.toSpliced(2, blank - 2).join('\n'), /malformed, or has no checkpoint/);
  proofCase('no empty line', lines.toSpliced(blank, 1).join('\n'), /malformed/);
  proofCase('an empty line more', lines.toSpliced(blank, 0, '').join('\n'), /malformed/);
  proofCase('an empty line at the end', `${good}\n`, /malformed/);
  proofCase('no signatures', `${lines.slice(0, blank + 5).join('\n')}\n`, /no checkpoint/);
  proofCase('an empty line before all', `\n${good}`, /malformed/);
  proofCase('the entry is no base64', edit(/extra .*/, 'extra ****'), /entry in the proof is no base64/);
  proofCase('the entry is spelled in another way', edit(/=\nindex/, '\nindex'), /no base64/);
  proofCase('the entry is empty', edit(/extra .*/, 'extra '), /not lead to the root/);

  // Where the entry is.
  proofCase('another index', edit('index 5', 'index 4'), /does not lead to the root/);
  proofCase('an index with a zero', edit('index 5', 'index 05'), /has no index/);
  proofCase('an index that is none', edit('index 5', 'index 5x'), /has no index/);
  proofCase('an index of blanks', edit('index 5', 'index  5'), /has no index/);
  proofCase('an index at the end', edit('index 5', 'index 13'), /does not have/);
  proofCase('an index above 2^63', edit('index 5', 'index 18446744073709551621'), /has no index/);
  for (let at = 3; at < blank; at += 1) {
    proofCase(
      `hash ${at - 3} changed`,
      lines.with(at, flipped(lines[at] ?? '')).join('\n'),
      /does not lead to the root/,
    );
    proofCase(`hash ${at - 3} gone`, lines.toSpliced(at, 1).join('\n'), /too few hashes/);
    proofCase(`hash ${at - 3} twice`, lines.toSpliced(at, 0, lines[at] ?? '').join('\n'), /too many hashes/);
    if (at > 3)
      proofCase(
        `hash ${at - 3} before its place`,
        lines
          .with(at, lines[at - 1] ?? '')
          .with(at - 1, lines[at] ?? '')
          .join('\n'),
        /not lead/,
      );
  }
  proofCase(
    'a short hash',
    lines.with(3, Buffer.alloc(31).toString('base64')).join('\n'),
    /hash in the proof is malformed/,
  );
  proofCase(
    'a long hash',
    lines.with(3, Buffer.alloc(33).toString('base64')).join('\n'),
    /hash in the proof is malformed/,
  );
  proofCase('a hash that is none', lines.with(3, 'AAAA AAAA').join('\n'), /hash in the proof is malformed/);
  proofCase('a hash with a blank', lines.with(3, ` ${lines[3]}`).join('\n'), /hash in the proof is malformed/);
  proofCase(
    'a hash as another spells it',
    lines.with(3, unpadded(lines[3] ?? '')).join('\n'),
    /hash in the proof is malformed/,
  );
  proofCase(
    'an entry that is not in the log',
    await proofOf({ entry: ENTRIES.tool, told: ENTRIES.build, index: 5, size: 13 }),
    /does not lead/,
  );
  proofCase('an inner node as an entry', await innerNode(), /not one of a release log|does not lead|too few/);
  for (const [index, size] of [
    [0, 2],
    [1, 2],
    [2, 3],
    [6, 7],
    [4, 5],
    [7, 8],
    [8, 9],
    [0, 13],
    [11, 13],
    [12, 13],
    [99, 100],
    [96, 100],
    [255, 300],
    [256, 257],
  ] as const)
    accept(
      `entry ${index} of ${size}`,
      ['-k', VECTORS.logVkey, 'disk.qcow2', fresh(await proofOf({ entry: ENTRIES.build, index, size }))],
      new RegExp(`is entry ${index} .* had ${size} entries\\n$`),
    );

  // The checkpoint.
  proofCase('another size', edit('\n13\n', '\n14\n'), /signature of the log .* is wrong|too few|not lead/);
  proofCase('a size that gives the same way', edit('\n13\n', '\n12\n'), /is wrong|not lead|too/);
  proofCase('a size with a zero', edit('\n13\n', '\n013\n'), /checkpoint has no size/);
  proofCase('a size with a blank', edit('\n13\n', '\n 13\n'), /checkpoint has no size/);
  proofCase('a size that is none', edit('\n13\n', '\nx\n'), /checkpoint has no size/);
  proofCase('a root that is none', edit(lines[blank + 3] ?? '', 'AAAA'), /checkpoint has no root/);
  proofCase(
    'a root as another spells it',
    edit(lines[blank + 3] ?? '', unpadded(lines[blank + 3] ?? '')),
    /checkpoint has no root/,
  );
  proofCase('a root with a blank', edit(lines[blank + 3] ?? '', `${lines[blank + 3]} `), /checkpoint has no root/);
  proofCase('another root', edit(lines[blank + 3] ?? '', flipped(lines[blank + 3] ?? '')), /does not lead to the root/);
  proofCase('another origin', edit('\nlab.example/', '\nlap.example/'), /is wrong/);
  proofCase(
    'a line more in the text',
    edit(lines[blank + 3] ?? '', `${lines[blank + 3]}\nx`),
    /signature of the log .* is wrong/,
  );
  accept(
    'a checkpoint with a line more',
    [
      '-p',
      POLICY,
      'disk.qcow2',
      fresh(await proofOf({ entry: ENTRIES.build, index: 5, size: 13, extension: 'x y\n' })),
    ],
    /^ok/,
  );
  const stranger = noteSigner(VECTORS.origin, 'ed25519', Buffer.alloc(32, 9));
  proofCase(
    'the key of another',
    await proofOf({ entry: ENTRIES.build, index: 5, size: 13, log: stranger }),
    /not signed by the log/,
  );
  const twin = { ...stranger, id: LOG.id };
  proofCase(
    'the key of another under the same id',
    await proofOf({ entry: ENTRIES.build, index: 5, size: 13, log: twin }),
    /signature of the log .* is wrong/,
  );
  const elsewhere = noteSigner('other.example/log', 'ed25519', Buffer.alloc(32, 9));
  proofCase(
    'another log by the same key',
    await proofOf({ entry: ENTRIES.build, index: 5, size: 13, origin: 'lap.example/atomic-log' }),
    /not signed by the log/,
  );
  proofCase(
    'an origin with a blank',
    await proofOf({ entry: ENTRIES.build, index: 5, size: 13, origin: `${VECTORS.origin} ` }),
    /has no origin/,
  );
  proofCase(
    'another log',
    await proofOf({ entry: ENTRIES.build, index: 5, size: 13, log: elsewhere }),
    /not signed by the log/,
  );
  const logLine = lines[blank + 5] ?? '';
  const shorter = signatureLine({ name: LOG.name, id: LOG.id, signature: Buffer.alloc(63) }).trimEnd();
  proofCase('no signature of the log', edit(`${logLine}\n`, ''), /not signed by the log/);
  proofCase(
    'a wrong signature of the log',
    edit(logLine, signatureLine({ name: LOG.name, id: LOG.id, signature: Buffer.alloc(64) }).trimEnd()),
    /signature of the log .* is wrong/,
  );
  proofCase('a short signature of the log', edit(logLine, shorter), /signature of the log .* is wrong/);
  proofCase('more than a signature of the log', edit(logLine, padded(logLine)), /signature of the log .* is wrong/);
  proofCase('a right one and a wrong one', edit(logLine, `${logLine}\n${shorter}`), /signature of the log .* is wrong/);
  proofCase('a wrong one and a right one', edit(logLine, `${shorter}\n${logLine}`), /signature of the log .* is wrong/);
  accept(
    'the signature of the log twice',
    ['-p', POLICY, 'disk.qcow2', fresh(edit(logLine, `${logLine}\n${logLine}`))],
    /^ok/,
  );
  accept(
    'signatures of strangers',
    [
      '-p',
      POLICY,
      'disk.qcow2',
      fresh(edit(logLine, `— other.example/log AAAAAAAA\n— lab.example/atomic-log AAAAAAAA\n${logLine}`)),
    ],
    /^ok/,
  );
  for (const [name, line] of [
    ['no dash', logLine.slice(2)],
    ['a hyphen', logLine.replace('—', '-')],
    ['two blanks', logLine.replace(' ', '  ')],
    ['a word more', `${logLine} x`],
    ['a plus in the name', logLine.replace('lab', 'la+b')],
    ['no name', logLine.replace(/ \S+ /, ' ')],
    ['no base64', logLine.replace(/\S+$/, '****')],
    ['nothing signed', logLine.replace(/\S+$/, '')],
    ['a sign that is none', '— other.example/log AAAA*AAA'],
    ['too much', `— x ${Buffer.alloc(6150).toString('base64')}`],
    ['no fill', logLine.replace(/=+$/, '')],
    ['another spelling', unpadded(logLine)],
  ] as const)
    proofCase(`a signature line with ${name}`, edit(logLine, line), /signature line is malformed/);

  // Witnesses.
  const cosigned = (witnesses: readonly NoteSigner[], at = AT) =>
    proofOf({ entry: ENTRIES.build, index: 5, size: 13, witnesses, at });
  proofCase('no witness', await cosigned([]), /too few witnesses of the policy cosigned$/m);
  proofCase('one witness', await cosigned([W2]), /too few witnesses .*, cosigned by w2 on/);
  proofCase('one witness twice', await cosigned([W2, W2]), /too few witnesses/);
  accept(
    'two witnesses',
    ['-p', POLICY, 'disk.qcow2', fresh(await cosigned([W3, W1]))],
    /cosigned by w1 on 2023-11-14, cosigned by w3 on 2023-11-14\n$/,
  );
  const alien = noteSigner(W1.name, 'cosignature', Buffer.alloc(32, 9));
  proofCase('the key of another as a witness', await cosigned([W2, alien]), /too few witnesses/);
  proofCase(
    'under the id of a witness',
    await cosigned([W2, W3, { ...alien, id: W1.id }]),
    /cosignature of w1\.example\/w is wrong/,
  );
  const [line1 = '', line2 = ''] = lines.slice(blank + 6);
  proofCase(
    'the cosignature of another tree',
    edit(line1, signatureLine(cosign('x\n1\ny\n', AT, W1)).trimEnd()),
    /cosignature of w1.* is wrong/,
  );
  proofCase('the time of another', edit(line1, retimed(line1, AT + 1)), /cosignature of w1.* is wrong/);
  proofCase(
    'a cosignature as that of the log',
    edit(
      line1,
      signatureLine({
        name: W1.name,
        id: W1.id,
        signature: W1.sign(Buffer.from(lines.slice(blank + 1, blank + 4).join('\n'))),
      }).trimEnd(),
    ),
    /cosignature of w1/,
  );
  proofCase(
    'a short cosignature',
    edit(line1, signatureLine({ name: W1.name, id: W1.id, signature: Buffer.alloc(7) }).trimEnd()),
    /has no time that can be/,
  );
  proofCase('more than a cosignature', edit(line1, padded(line1)), /has no time that can be/);
  proofCase('time 0', await cosigned([W1, W2], 0), /cosigned in a year/);
  proofCase('the last second before there were any', await cosigned([W1, W2], 1_577_836_799), /cosigned in a year/);
  accept(
    'the first second',
    ['-p', POLICY, 'disk.qcow2', fresh(await cosigned([W1, W2], 1_577_836_800))],
    /cosigned by w1 on 2020-01-01/,
  );
  const now = Math.floor(Date.now() / 1000);
  accept('an hour ahead', ['-p', POLICY, 'disk.qcow2', fresh(await cosigned([W1, W2], now + 3600))], /^ok/);
  // The clock goes on while the cases run, but not for a day.
  proofCase('two days ahead', await cosigned([W1, W2], now + 2 * 86_400), /in the future, or the clock/);
  proofCase('the year 30000', await cosigned([W1, W2], 2 ** 40 - 1), /in the future/);
  for (const power of [40, 48])
    proofCase(`a time of 2^${power}`, await cosigned([W1, W2], 2 ** power + AT), /no time that can be/);
  proofCase('a time of 2^62', edit(line1, retimed(line1, 2n ** 62n + BigInt(AT))), /no time that can be/);
  accept(
    'whoever is not needed may be wrong',
    [
      '-p',
      fresh(policyText('quorum w2').replace(`${LINES[0]}\n`, '')),
      'disk.qcow2',
      fresh(edit(line1, retimed(line1, AT + 1))),
    ],
    /^ok/,
  );
  if (line2 === '') throw new Error('the proof has no second witness');

  // The policy.
  for (const [name, ...rules] of [
    ['one witness', 'quorum w2'],
    ['none', 'quorum none'],
    ['any', 'group g any w1 w3', 'quorum g'],
    ['all', 'group g all w1 w2 w3', 'quorum g'],
    ['groups of groups', 'group a any w1 w2', 'group b all w3', 'group g 2 a b', 'quorum g'],
    ['blanks, tabs, comments', '', ' # x', '#y', '\tgroup  g\tany w1 ', 'quorum\tg'],
  ] as const)
    accept(`policy: ${name}`, ['-p', fresh(policyText(...rules)), 'disk.qcow2', PROOF], /^ok/);
  accept(
    'policy: a witness called *',
    ['-p', fresh(policyText('group g all * w2', 'quorum g').replace('witness w1', 'witness *')), 'disk.qcow2', PROOF],
    /^ok/,
  );
  accept(
    'policy: two logs',
    ['-p', fresh(policyText(`log ${formatVkey(elsewhere)}`, 'quorum w1')), 'disk.qcow2', PROOF],
    /^ok/,
  );
  const single = fresh(await cosigned([W1]));
  for (const [name, ...rules] of [
    ['all', 'group g all w1 w2 w3', 'quorum g'],
    ['two', 'group g 2 w1 w2 w3', 'quorum g'],
    ['another', 'quorum w2'],
    ['the beginning of a name', 'quorum w'],
    ['any of others', 'group g any w2 w3', 'quorum g'],
    ['groups of groups', 'group a any w1 w2', 'group b all w3', 'group g 2 a b', 'quorum g'],
  ] as const)
    policyCase(
      `one witness is not: ${name}`,
      policyText(...rules).replace(/^(witness w)3/m, name.startsWith('the b') ? '$1' : '$13'),
      /too few witnesses/,
      single,
    );
  for (const [name, ...rules] of [
    ['no quorum'],
    ['two quorums', 'quorum w1', 'quorum w1'],
    ['an unknown quorum', 'quorum w4'],
    ['a quorum with more', 'quorum w1 w2'],
    ['a group that comes later', 'quorum g', 'group g any w1'],
    ['an unknown member', 'group g any w1 w4', 'quorum g'],
    ['none as a member', 'group g any w1 none', 'quorum g'],
    ['itself as a member', 'group g any w1 g', 'quorum g'],
    ['one twice in a group', 'group g 2 w1 w1', 'quorum g'],
    ['one in two groups', 'group g any w1', 'group h any w1', 'quorum h'],
    ['a group named twice', 'group g any w1', 'group g any w2', 'quorum g'],
    ['a group called none', 'group none any w1', 'quorum none'],
    ['a group named as a witness', 'group w1 any w2', 'quorum w1'],
    ['too many needed', 'group g 3 w1 w2', 'quorum g'],
    ['none needed', 'group g 0 w1 w2', 'quorum g'],
    ['a number of signs', 'group g -1 w1 w2', 'quorum g'],
    ['a number with a tail', 'group g 1x w1 w2', 'quorum g'],
    ['a group of nobody', 'group g any', 'quorum g'],
    ['a misspelled group', 'groop g any w1', 'quorum g'],
    ['an unknown line', 'witnesses 2', 'quorum w1'],
    ['a log with more', `log ${VECTORS.logVkey} x y`, 'quorum w1'],
    ['a witness with more', `witness w4 ${VECTORS.witnessVkey} x y`, 'quorum w1'],
    ['a witness without a key', 'witness w4', 'quorum w1'],
    ['a witness named twice', `witness w1 ${VECTORS.witnessVkey}`, 'quorum w1'],
    ['a witness called none', `witness none ${VECTORS.witnessVkey}`, 'quorum w1'],
  ] as const)
    policyCase(`policy: ${name}`, policyText(...rules), /policy is malformed/);
  policyCase('policy: no log', policyText('quorum w1').replace(/^log .*\n/, ''), /policy is malformed/);
  policyCase('policy: CR', policyText('quorum w1').replaceAll('\n', '\r\n'), /policy is not text/);
  policyCase('policy: NUL', policyText('quorum w1\0'), /policy is not text/);
  policyCase('policy: no last line feed', policyText('quorum w1').slice(0, -1), /policy is not text, or was cut short/);
  const again = formatVkey(noteKey('again.example', 'cosignature', W1.publicKey));
  policyCase(
    'policy: a key under two names',
    policyText(`witness w4 ${again}`, 'group g 2 w1 w4', 'quorum g'),
    /stands twice/,
  );
  policyCase(
    'policy: the key of the log as a witness',
    policyText(`witness w4 ${formatVkey(noteKey('w', 'cosignature', LOG.publicKey))}`, 'quorum w1'),
    /stands twice/,
  );
  policyCase(
    'policy: a log as a witness',
    policyText(`witness w4 ${formatVkey(elsewhere)}`, 'quorum w1'),
    /of another kind/,
  );
  policyCase('policy: a witness as a log', policyText(`log ${VECTORS.witnessVkey}`, 'quorum w1'), /of another kind/);
  policyCase(
    'policy: the id of another',
    policyText('quorum w1').replace('+37d63fe0+', '+37d63fe1+'),
    /name and id .* do not fit/,
  );
  policyCase(
    'policy: a name that is not the key’s',
    policyText('quorum w1').replace('log lab.', 'log lap.'),
    /name and id .* do not fit/,
  );
  policyCase(
    'policy: a short key',
    policyText(`log a+00000000+${Buffer.alloc(32, 1).toString('base64')}`, 'quorum w1'),
    /no public key/,
  );
  policyCase('policy: no key', policyText('log x', 'quorum w1'), /no public key/);
  refuse(
    '-k: a key without a name',
    ['-k', VECTORS.logVkey.replace(/^[^+]*/, ''), 'disk.qcow2', PROOF],
    /no public key/,
  );
  refuse(
    '-k: an id in capitals',
    ['-k', VECTORS.logVkey.replace('37d63fe0', '37D63FE0'), 'disk.qcow2', PROOF],
    /no public key/,
  );
  policyCase(
    'policy: a witness that is called like a number',
    policyText('group g 2 2 w2 w3', 'quorum g').replace('witness w1', 'witness 2'),
    /too few witnesses/,
    single,
  );
  refuse('-k: no key', ['-k', 'x', 'disk.qcow2', PROOF], /no public key/);
  refuse(
    '-k: another log',
    ['-k', formatVkey(elsewhere), 'disk.qcow2', PROOF],
    /not signed by the log that is trusted/,
  );
  refuse(
    '-k: two keys',
    [
      '-k',
      `${VECTORS.logVkey}\nlog ${formatVkey(elsewhere)}`,
      'disk.qcow2',
      fresh(edit(logLine, ''.padEnd(0) || logLine.replace('—', '-'))),
    ],
    /malformed/,
  );

  // The entry.
  const withEntry = async (text: string | Buffer) => proofOf({ entry: Buffer.from(text), index: 5, size: 13 });
  const json = ENTRIES.build.toString();
  proofCase('an entry of a later version', await withEntry(json.replace('nightly/1', 'nightly/2')), /later version/);
  proofCase('an entry of others', await withEntry(json.replace(/^.*\n/, 'x\n')), /not one of a release log, or/);
  proofCase('an entry of one line', await withEntry(json.replace(/^.*\n/, '')), /not one of a release log$/m);
  proofCase('an entry of three lines', await withEntry(`${json}x\n`), /not one of a release log$/m);
  proofCase('an entry without its end', await withEntry(json.slice(0, -1)), /not one of a release log$/m);
  proofCase(
    'an entry with a NUL',
    await withEntry(json.replace('nightly"', 'nightly\0"')),
    /not one of a release log$/m,
  );
  proofCase('an entry with CR', await withEntry(json.replaceAll('\n', '\r\n')), /not one of a release log$/m);
  proofCase(
    'a size that is longer',
    await withEntry(json.replaceAll(`"size":${IMAGE.length}}`, `"size":${IMAGE.length}0}`)),
    /names no file/,
  );
  proofCase(
    'a path with something between',
    await withEntry(json.replaceAll('disk.qcow2","sha256"', 'disk.qcow2","x":"y/disk.qcow2","sha256"')),
    /names no file/,
  );
  proofCase(
    'a path that is not first',
    await withEntry(json.replaceAll('{"path":', '{"a":"b","path":')),
    /names no file/,
  );
  const refJson = ENTRIES.ref.toString();
  for (const [name, text] of [
    ['a commit that is not first', refJson.replace('{"commit"', '{"a":"b","commit"')],
    ['another kind', refJson.replace('"kind":"ref"', '"kind":"rref"')],
    ['no ref', refJson.replace('"ref":"lab/x86_64/nightly",', '')],
    ['an empty ref', refJson.replace('lab/x86_64/nightly', '')],
  ] as const)
    refuse(
      `a commit by an entry with ${name}`,
      ['-p', POLICY, '-c', COMMIT, fresh(await withEntry(text))],
      /about another commit/,
    );
  return cases;
}

interface OpenpgpCases {
  /** A proof without a signature of that kind. */
  readonly good: string;
  accept(name: string, args: readonly string[], says: RegExp): void;
  refuse(name: string, args: readonly string[], says: RegExp): void;
  wrong(name: string, args: readonly string[]): void;
  fresh(content: string | Uint8Array): string;
  write(name: string, content: string | Uint8Array): string;
  /** With an openssl that is too old for Ed25519. */
  readonly old: Readonly<Record<string, string>>;
  /** Without gpgv. */
  readonly poor: Readonly<Record<string, string>>;
}

/** By the OpenPGP keys of the log's owner. */
async function openpgpCases(
  { good, accept, refuse, wrong, fresh, write, old, poor }: OpenpgpCases,
  cases: VerifyCase[],
): Promise<void> {
  const made = () =>
    generateKey({
      ...{ type: 'ecc', curve: 'ed25519Legacy', userIDs: [{ name: 'x' }], subkeys: [], format: 'object' },
      date: new Date(Date.now() - 60_000),
    } as const);
  const [ours, others] = [await made(), await made()];
  const keys = write('keys.gpg', ours.publicKey.write());
  const armored = write('keys.asc', ours.publicKey.armor());
  const stranger = write('stranger.gpg', others.publicKey.write());
  const lineOf = async (text: string, key = ours, name = LOG.name, signed = text): Promise<string> => {
    const message = await createMessage({ binary: Buffer.from(signed) });
    const bytes = await sign({ message, signingKeys: key.privateKey, detached: true, format: 'binary' });
    return signatureLine({ name, id: openpgpId(name, key.publicKey.getFingerprint()), signature: Buffer.from(bytes) });
  };
  const proofWith = async (more: (text: string) => Promise<string>, witnesses = WITNESSES): Promise<string> =>
    fresh(await proofOf({ entry: ENTRIES.build, index: 5, size: 13, witnesses, more }));
  const signed = await proofWith((text) => lineOf(text));
  const says =
    /^ok: images\/disk\.qcow2 of build 20261129_01 is entry 5 of the log lab\.example\/atomic-log, which had 13 entries, signed with OpenPGP\n$/;
  accept('-g: a key', ['-g', keys, 'disk.qcow2', signed], says);
  accept('-g: an armored key', ['-g', armored, 'disk.qcow2', signed], says);
  cases.push({
    name: '-g: an openssl that is too old',
    args: ['-g', keys, 'disk.qcow2', signed],
    code: 0,
    says,
    env: old,
  });
  cases.push({
    ...{ name: '-g: a host without gpgv', args: ['-g', keys, 'disk.qcow2', signed], code: 1, env: poor },
    says: /^refused: with -g this needs gpgv, of GnuPG/,
  });
  accept(
    'a proof that OpenPGP signed, by the policy',
    ['-p', 'policy', 'disk.qcow2', signed],
    /^ok: .*by w3 on [-0-9]+\n$/,
  );
  const second = await proofWith(async (text) => (await lineOf(text, others)) + (await lineOf(text)), []);
  accept('-g: the second of two keys', ['-g', keys, 'disk.qcow2', second], says);
  const unsigned = /not signed by the log that is trusted/;
  refuse('-g: nobody signed with OpenPGP', ['-g', keys, 'disk.qcow2', fresh(good)], unsigned);
  refuse('-g: another key', ['-g', stranger, 'disk.qcow2', signed], unsigned);
  refuse('-g: no key', ['-g', fresh('nothing\n'), 'disk.qcow2', signed], unsigned);
  refuse('-g: no file of keys', ['-g', 'nowhere', 'disk.qcow2', signed], /there is no file of keys nowhere/);
  const other = await proofWith((text) => lineOf(text, ours, LOG.name, `${text}x`));
  refuse('-g: over another text', ['-g', keys, 'disk.qcow2', other], unsigned);
  const named = await proofWith((text) => lineOf(text, ours, 'other.example/log'));
  refuse('-g: under another name', ['-g', keys, 'disk.qcow2', named], unsigned);
  refuse('-g: another file', ['-g', keys, 'away/disk.qcow2', signed], /names no file disk\.qcow2/);
  wrong('-g and a policy', ['-g', keys, '-p', 'policy', 'disk.qcow2', signed]);
}

const flipped = (text: string): string => text.replace(/^./, (letter) => (letter === 'A' ? 'B' : 'A'));

/** The same bytes with a bit set that says nothing, or without what fills up. */
const unpadded = (text: string): string =>
  text.replace(/([A-Za-z0-9+/])(=+)$/, (_, letter: string, fill: string) => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    return `${letters[letters.indexOf(letter) + 1]}${fill}`;
  });

/** A signature line with a byte more before the last 64. */
function padded(line: string): string {
  const [, name = '', encoded = ''] = /^— (\S+) (\S+)$/.exec(line) ?? [];
  const bytes = Buffer.from(encoded, 'base64');
  return `— ${name} ${Buffer.concat([bytes.subarray(0, -64), Buffer.alloc(1), bytes.subarray(-64)]).toString('base64')}`;
}

/** A cosignature line that tells another time. */
function retimed(line: string, time: number | bigint): string {
  const [, name = '', encoded = ''] = /^— (\S+) (\S+)$/.exec(line) ?? [];
  const bytes = Buffer.from(encoded, 'base64');
  bytes.writeBigUInt64BE(BigInt(time), 4);
  return `— ${name} ${bytes.toString('base64')}`;
}

/** The proof of the vectors, with its entry. */
function vectorProof(): string {
  const text = readFileSync(new URL('../fixtures/log/entry-1-of-3.tlog-proof', import.meta.url), 'utf8');
  return text.replace('@v1\n', `@v1\nextra ${Buffer.from('atomic-nightly/1\n{"n":1}\n').toString('base64')}\n`);
}

/** A proof in which an inner node of the tree stands for an entry, one level up. */
async function innerNode(): Promise<string> {
  const text = await proofOf({ entry: ENTRIES.build, index: 5, size: 8 });
  const [head = '', extra = '', , first = '', ...rest] = text.split('\n');
  const leaf = leafHash(Buffer.from(extra.slice('extra '.length), 'base64'));
  const node = Buffer.concat([Buffer.from(first, 'base64'), leaf]);
  return [head, `extra ${node.toString('base64')}`, 'index 2', ...rest].join('\n');
}

/** Whether a call came to what it must come to, in one line, and left nothing behind. */
export function isAsExpected({ code, said, left }: Run, expected: VerifyCase): boolean {
  return code === expected.code && expected.says.test(said) && said.split('\n').length === 2 && left.length === 0;
}

/** Changes of the script that change nothing that it says, by the line as it was or as it is then. */
const SAME: readonly (readonly [line: RegExp, reason: string])[] = [
  [/^LC_ALL=C; /, 'mawk, tr and busybox see bytes in any locale; gawk and bash would not'],
  [/for \(i != 0;/, 'awk counts from nothing as it does from 0'],
  [/substr\(bytes, 59\)/, 'no two keys end alike'],
  [/exit 19/, 'any number but 0 is a failure of awk'],
  [/> 09; rest/, 'no match is so near the beginning'],
  [/-lt 1048576 /, 'a limit that nothing comes near'],
  [/-lt "\$\(\(\$\(date/, 'a second of a day'],
  [/failed = 19/, 'any number but 0 is true'],
  [/^trap 'exit 1'/, 'a signal comes at no moment that a test could name'],
];

/**
 * Tries changed scripts until a case comes out wrong: first those that are about what the line says, then those that found others.
 * Returns those that nothing finds, as `LINE: TEXT`.
 */
export async function survivors(
  mutants: readonly Mutant[],
  all: readonly VerifyCase[],
  dir: string,
  onAlive: (found: string) => void = () => undefined,
): Promise<string[]> {
  let cases = all;
  const alive: string[] = [];
  await inParallel(mutants.entries(), { atATime: 2 }, async ([index, { line, was, now, text }]) => {
    if (SAME.some(([same]) => same.test(was) || same.test(now))) return;
    const script = join(dir, `mutant-${index}.sh`);
    writeFileSync(script, text);
    const isAbout = ({ code, says }: VerifyCase) => says.test(was) || (code === 2 && was.includes('usage'));
    for (const one of [...cases.filter(isAbout), ...cases.filter((other) => !isAbout(other))]) {
      if (isAsExpected(await runScript(SHELLS['dash'] ?? [], script, one.args, dir, one.env), one)) continue;
      cases = [one, ...cases.filter((other) => other !== one)];
      return;
    }
    alive.push(`${line}: ${now}`);
    onAlive(`${line}: ${now}`);
  });
  return alive;
}
