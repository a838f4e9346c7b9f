import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { NightlyError } from '../../src/base/errors.ts';
import { inParallel } from '../../src/base/parallel.ts';
import { signCheckpoint } from '../../src/log/checkpoint.ts';
import { grow, NO_TREE } from '../../src/log/grow.ts';
import { proveInclusion } from '../../src/log/inclusion.ts';
import { type NoteSigner, noteSigner } from '../../src/log/note-keys.ts';
import { formatProof } from '../../src/log/proof-file.ts';
import { openTileTree } from '../../src/log/tile-tree.ts';
import { run } from '../../src/programs/exec.ts';
import { formatEntry } from '../../src/published/log-entry.ts';
import { commitProofPath } from '../../src/published/paths.ts';
import { LOG, VECTORS } from './log-files.ts';
import type { Mutant } from './script-mutants.ts';
import { writeLog } from './served-log.ts';

/** The script that upgrades hosts; the verifier lies beside it. */
export const UPGRADE = new URL('../../verify/upgrade.sh', import.meta.url).pathname;

const REF = 'lab/x86_64/host';
const [OLD, NEW] = ['0a'.repeat(32), '0b'.repeat(32)];

/** A host and a publisher as they are before the script is called, and what must come of it. */
export interface UpgradeCase {
  readonly name: string;
  /** Default: how it is called by hand. */
  readonly args?: readonly string[];
  /** Entries of the log; that of the new commit is at `at`, if at all. Default: 5, and the last. */
  readonly size?: number;
  readonly at?: number | undefined;
  /** Size of the log as the host saw it last. */
  readonly saw?: number;
  /** Changes files of the publisher (`far`), or of the host (`host`). */
  readonly change?: (far: string, host: string) => void;
  readonly log?: NoteSigner;
  readonly env?: Readonly<Record<string, string>>;
  readonly code?: 0 | 1 | 2;
  readonly says: RegExp;
  /** What the ref names afterwards; default: the new commit where it went well, the old one elsewhere. */
  readonly names?: string;
  /** How the host was upgraded; default: by `ostree` where it went well, and not at all elsewhere. */
  readonly deployed?: string;
  /** Whether it now remembers the log as it is; default: where it went well. */
  readonly remembers?: boolean;
}

/** ostree, as far as the script needs it: a host is a folder with its ref, and what its remote offers. */
const OSTREE = `#!/bin/sh
echo "$*" >> "$HOST/calls"
[ "$1" = "--repo=$HOST/ostree/repo" ] && shift
case "$1 $2" in
  'remote show-url') [ "$3" = origin ] && cat "$HOST/url" ;;
  'rev-parse origin:${REF}') cat "$HOST/ref" 2> /dev/null ;;
  'pull --commit-metadata-only') [ "$3 $4" = 'origin ${REF}' ] && [ -e "$HOST/new" ] && cp "$HOST/new" "$HOST/ref" || { echo one; echo 'error: no network'; exit 1; } ;;
  'refs --force') [ "$3" = --create=origin:${REF} ] && echo "$4" > "$HOST/ref" ;;
  'refs --delete') [ "$3" = origin:${REF} ] && rm "$HOST/ref" ;;
  'admin upgrade') shift 2; echo "ostree $*" >> "$HOST/deployed" ;;
  *) exit 1 ;;
esac
`;
const RPM_OSTREE = '#!/bin/sh\necho "rpm-ostree $*" >> "$HOST/deployed"\n';

/** A case that is laid out: its own folder is served below the URL of all. */
export interface LaidOut {
  readonly one: UpgradeCase;
  readonly host: string;
}

const entry = (at: number, mark = 'other') => Buffer.from(`${mark} ${at}\n`);
const ENTRY = formatEntry({ kind: 'ref', ref: REF, commit: NEW, timestamp: 1_700_000_000 })[0] ?? Buffer.alloc(0);

/** The log's entries; those from `fork` on are others. */
function entriesOf(size: number, at: number | undefined, fork = size): Buffer[] {
  return Array.from({ length: size }, (_, index) =>
    index === at ? ENTRY : entry(index, index < fork ? 'other' : 'rewritten'),
  );
}

/** Lays a case out. @param far folder that is served as `url` */
export async function layOut(one: UpgradeCase, far: string, url: string, host: string): Promise<LaidOut> {
  const { size = 5, log = LOG, saw, change } = one;
  const at = 'at' in one ? one.at : size - 1;
  const entries = entriesOf(size, at);
  writeLog(far, { entries, log, origin: LOG.name });
  if (at !== undefined) {
    const proof = await proofOf(entries, at);
    mkdirSync(dirname(join(far, commitProofPath(REF, NEW))), { recursive: true });
    writeFileSync(join(far, commitProofPath(REF, NEW)), proof);
  }
  mkdirSync(join(host, 'state'), { recursive: true });
  if (saw !== undefined) {
    const { root } = grow(NO_TREE, entriesOf(saw, at !== undefined && at < saw ? at : undefined));
    writeFileSync(join(host, 'state/checkpoint'), signCheckpoint({ origin: LOG.name, size: saw, root }, LOG));
  }
  const files = {
    url: `${url}/repo\n`,
    ref: `${OLD}\n`,
    new: `${NEW}\n`,
    policy: `log ${VECTORS.logVkey}\nquorum none\n`,
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(host, name), content);
  change?.(far, host);
  return { one, host };
}

async function proofOf(entries: readonly Buffer[], index: number): Promise<string> {
  const grown = grow(NO_TREE, entries);
  const files = new Map(grown.files.map(({ path, content }) => [path, content]));
  const open = await openTileTree(async (path) => files.get(path), grown, 'log');
  const hashes = await proveInclusion(open.nodeOf, index, grown.size);
  const head = { origin: LOG.name, size: grown.size, root: grown.root };
  return formatProof({
    extra: entries[index] ?? Buffer.alloc(0),
    index,
    hashes,
    checkpoint: signCheckpoint(head, LOG),
  });
}

const USUAL = ['-p', 'policy', '-s', 'state', `origin:${REF}`, '--os=lab'];
/** Nobody's account, so that a script that never ends forking meets a limit. */
const NOBODY = '65534';
/** A changed script that waits for ever is found by that. */
const LIMIT_MS = 60_000;

const ANY = Array.from({ length: 256 }, (_, code) => code);

/** Runs the script, or a changed one, on a copy of the host. Returns what is wrong with what came of it; empty: nothing. */
export async function wrongWith({ one, host }: LaidOut, script: string, dir: string): Promise<string> {
  const scratch = mkdtempSync(join(dir, 'run-'));
  try {
    cpSync(host, scratch, { recursive: true });
    mkdirSync(join(scratch, 'tmp'));
    const bin = join(scratch, 'bin');
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, 'ostree'), OSTREE, { mode: 0o755 });
    if (one.env?.['RPM_OSTREE']) writeFileSync(join(bin, 'rpm-ostree'), RPM_OSTREE, { mode: 0o755 });
    await run('chown', ['-R', `${NOBODY}:${NOBODY}`, scratch]);
    chmodSync(scratch, 0o755);
    const account = ['--reuid', NOBODY, '--regid', NOBODY, '--clear-groups'];
    const limited = [...account, 'prlimit', '--nproc=400', '--fsize=50000000', '--', 'dash', script];
    const env = {
      ...{
        HOST: scratch,
        OSTREE_SYSROOT: `${scratch}/`,
        TMPDIR: join(scratch, 'tmp'),
        PATH: `${bin}:${process.env['PATH']}`,
      },
      // What it uses may be anything when it begins; without t a changed one would write to the root.
      ...Object.fromEntries(
        ['t', 'check', 'url', 'before', 'k', 'size', 'root', 'pairs'].map((name) => [name, 'nowhere']),
      ),
      ...one.env,
    };
    const options = { cwd: scratch, env, timeoutMs: LIMIT_MS, okExitCodes: ANY, okSignals: true };
    const result = await run('setpriv', [...limited, ...(one.args ?? USUAL)], options).catch((error: unknown) => {
      if (error instanceof NightlyError) return undefined;
      throw error;
    });
    if (result === undefined) return 'it did not end';
    return faultsOf(one, host, scratch, { code: result.exitCode, said: result.stdout + result.stderr });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function faultsOf(
  one: UpgradeCase,
  host: string,
  scratch: string,
  { code, said }: { readonly code: number; readonly said: string },
): string {
  const read = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').trim() : '');
  const expected = one.code ?? 0;
  const well = expected === 0;
  const faults: string[] = [];
  const compare = (what: string, is: unknown, wanted: unknown) => {
    if (is !== wanted) faults.push(`${what}: ${JSON.stringify(is)}, not ${JSON.stringify(wanted)}`);
  };
  compare('exit code', code, expected);
  if (!one.says.test(said)) faults.push(`it said ${JSON.stringify(said)}`);
  if (expected === 1 && !/^(?:mktemp: [^\n]*\n)?refused: [^\n]*; nothing was deployed\n$/.test(said))
    faults.push(`more than a line: ${said}`);
  compare('ref', read(join(scratch, 'ref')), one.names ?? (well ? NEW : OLD));
  compare(
    'deployed',
    read(join(scratch, 'deployed')),
    one.deployed ?? (well ? `ostree --override-commit=${NEW} --os=lab` : ''),
  );
  const now = read(join(scratch, 'state/checkpoint'));
  const before = read(join(host, 'state/checkpoint'));
  const remembered = (one.remembers ?? well) ? now.split('\n')[1] === String(one.size ?? 5) : now === before;
  if (!remembered) faults.push('what it remembers');
  if (read(join(scratch, 'state/.checkpoint')) !== '') faults.push('a draft is left');
  compare('left behind', existsSync(join(scratch, 'tmp')) ? readdirSync(join(scratch, 'tmp')).join(' ') : '', '');
  return faults.join('; ');
}

/** All cases. */
export function upgradeCases(): UpgradeCase[] {
  const other = noteSigner(LOG.name, 'ed25519', Buffer.alloc(32, 7));
  const ok = new RegExp(`^ok: commit ${NEW} of ${REF} is entry`);
  const write = (path: string, edit: (text: string) => string) => writeFileSync(path, edit(readFileSync(path, 'utf8')));
  const proof = (far: string) => join(far, commitProofPath(REF, NEW));
  const checkpoint = (edit: (text: string) => string) => (far: string) => write(join(far, 'log/checkpoint'), edit);
  const seen = (edit: (text: string) => string) => (_: string, host: string) =>
    write(join(host, 'state/checkpoint'), edit);
  const usage = /^usage: upgrade\.sh /;
  return [
    { name: 'the first time', says: ok },
    ...[
      [1, 2],
      [3, 7],
      [4, 8],
      [7, 7],
      [255, 300],
      [256, 257],
      [300, 770],
      [512, 1024],
      [700, 65_900],
    ].map(([saw = 0, size = 0]) => ({ name: `from ${saw} to ${size}`, saw, size, says: ok })),
    ...[0, 3, 299, 400].map((at) => ({ name: `entry ${at} of 600`, at, size: 600, saw: 450, says: ok })),
    { name: 'one entry', size: 1, says: ok },
    { name: 'checks only', args: ['-n', ...USUAL], says: ok, deployed: '' },
    {
      name: 'another address',
      args: ['-u', 'URL', ...USUAL],
      change: (_, host) => write(join(host, 'url'), () => 'http://127.0.0.1:9/repo\n'),
      says: ok,
    },
    {
      name: 'an address with slashes',
      change: (_, host) => write(join(host, 'url'), (text) => `${text.trim()}//\n`),
      says: ok,
    },
    { name: 'rpm-ostree', env: { RPM_OSTREE: 'yes' }, says: ok, deployed: `rpm-ostree deploy --os=lab ${NEW}` },
    {
      name: 'whole tiles where partial ones are gone',
      size: 600,
      saw: 300,
      change: (far) => {
        cpSync(join(far, 'log/tile/0/002.p/88'), join(far, 'log/tile/0/002'));
        rmSync(join(far, 'log/tile/0/002.p'), { recursive: true });
      },
      says: ok,
    },
    {
      name: 'no new folder for state',
      args: ['-p', 'policy', '-s', 'state/deeper', `origin:${REF}`, '--os=lab'],
      says: ok,
      remembers: false,
    },
    {
      name: 'no ref before',
      change: (_, host) => rmSync(join(host, 'ref')),
      at: undefined,
      code: 1,
      names: '',
      says: /not in the release log/,
    },
    {
      name: 'not in the log',
      at: undefined,
      code: 1,
      says: new RegExp(`^refused: commit ${NEW} of ${REF} is not in the release log http.*, though it may be signed;`),
    },
    { name: 'rolled back', saw: 9, code: 1, says: /has been rolled back: this host saw 9 entries, and it has 5 now;/ },
    { name: 'rolled back to one', saw: 2, size: 1, code: 1, says: /this host saw 2 entries, and it has 1 now;/ },
    {
      name: 'another history',
      saw: 3,
      size: 6,
      change: (_, host) => write(join(host, 'state/checkpoint'), () => headOf(entriesOf(3, undefined, 1))),
      code: 1,
      says: /is not the one that this host saw: it no longer begins with the same 3 entries;/,
    },
    {
      name: 'another history of one',
      saw: 1,
      size: 6,
      change: (_, host) => write(join(host, 'state/checkpoint'), () => headOf(entriesOf(1, undefined, 0))),
      code: 1,
      says: /no longer begins with the same 1 entry;/,
    },
    {
      name: 'another history of the same size',
      saw: 5,
      change: (_, host) => write(join(host, 'state/checkpoint'), () => headOf(entriesOf(5, undefined, 2))),
      code: 1,
      says: /no longer begins with the same 5 entries;/,
    },
    {
      name: 'does not hold together',
      saw: 3,
      size: 300,
      change: (far) => {
        const tile = join(far, 'log/tile/0/001.p/44');
        const bytes = readFileSync(tile);
        bytes[5] = (bytes[5] ?? 0) ^ 1;
        writeFileSync(tile, bytes);
      },
      code: 1,
      says: /does not hold together: its tiles do not lead to its root;/,
    },
    {
      name: 'a tile is missing',
      saw: 3,
      size: 300,
      change: (far) => rmSync(join(far, 'log/tile/0'), { recursive: true }),
      code: 1,
      says: /cannot be read: curl: .*404/,
    },
    {
      name: 'a tile is missing at first',
      size: 300,
      change: (far) => rmSync(join(far, 'log/tile/0'), { recursive: true }),
      code: 1,
      says: /cannot be read: curl: .*404/,
    },
    {
      name: 'no log',
      change: (far) => rmSync(join(far, 'log/checkpoint')),
      code: 1,
      says: /^refused: the release log http\S+\/log cannot be read: curl: .*404/,
    },
    { name: 'another key', log: other, code: 1, says: /not signed by the log that is trusted/ },
    { name: 'no policy', args: ['-p', 'none', '-s', 'state', `origin:${REF}`, '--os=lab'], code: 1, says: /none/ },
    ...['x', '', '05', '1234567890123456'].map((size) => ({
      name: `size ${size}`,
      change: checkpoint((text) => text.replace('\n5\n', `\n${size}\n`)),
      code: 1 as const,
      says: /log\/checkpoint is malformed;/,
    })),
    {
      name: 'a short root',
      change: checkpoint((text) => text.replace(/\n[^\n]*=\n/, '\nAAAA\n')),
      code: 1,
      says: /log\/checkpoint is malformed;/,
    },
    {
      name: 'what was seen is malformed',
      saw: 3,
      change: seen((text) => text.replace('\n3\n', '\n3x\n')),
      code: 1,
      says: /what this host saw last is not known;/,
    },
    {
      name: 'nothing was seen',
      saw: 3,
      change: seen(() => ''),
      code: 1,
      says: /what this host saw last is not known;/,
    },
    ...['x', '', '1234567890123456'].map((index) => ({
      name: `index ${index}`,
      change: (far: string) => write(proof(far), (text) => text.replace(/index \d+/, `index ${index}`)),
      code: 1 as const,
      says: /the proof of the commit is malformed;/,
    })),
    {
      name: 'index of the size',
      change: (far) => write(proof(far), (text) => text.replace(/index \d+/, 'index 5')),
      code: 1,
      says: /is not in the release log \S+: it has 5 entries, and the proof is of entry 5;/,
    },
    {
      name: 'another index',
      change: (far) => write(proof(far), (text) => text.replace(/index \d+/, 'index 2')),
      code: 1,
      says: new RegExp(`^refused: commit ${NEW} of ${REF}: `),
    },
    { name: 'two indexes', change: (far) => write(proof(far), (text) => `${text}index 1\n`), says: ok },
    {
      name: 'the proof cannot be read',
      change: (far) => {
        rmSync(proof(far));
        // To the server that is another fault than a file that is not there.
        symlinkSync(proof(far), proof(far));
      },
      code: 1,
      says: /cannot be read: curl: .*(?:403|500)/,
    },
    {
      name: 'cannot be pulled',
      change: (_, host) => rmSync(join(host, 'new')),
      code: 1,
      says: new RegExp(`^refused: origin:${REF} cannot be pulled: error: no network;`),
    },
    {
      name: 'no remote',
      args: ['-p', 'policy', '-s', 'state', `elsewhere:${REF}`],
      code: 1,
      says: /^refused: there is no remote elsewhere;/,
    },
    {
      name: 'no room for what was seen',
      args: ['-p', 'policy', '-s', 'policy', `origin:${REF}`],
      code: 1,
      says: /^refused: policy cannot be written: mkdir/,
    },
    { name: 'no room', env: { TMPDIR: '/nowhere' }, code: 1, says: /there is no room for temporary files/ },
    { name: 'no arguments', args: [], code: 2, says: usage },
    { name: 'no ref', args: ['-p', 'policy'], code: 2, says: usage },
    { name: 'no -p', args: [`origin:${REF}`], code: 2, says: usage },
    { name: 'no remote in it', args: ['-p', 'policy', REF], code: 2, says: usage },
    { name: 'an empty ref', args: ['-p', 'policy', 'origin:'], code: 2, says: usage },
    { name: 'another option', args: ['-x', ...USUAL], code: 2, says: usage },
    { name: 'an option without its value', args: ['-p'], code: 2, says: usage },
  ];
}

function headOf(entries: readonly Buffer[]): string {
  const { size, root } = grow(NO_TREE, entries);
  return signCheckpoint({ origin: LOG.name, size, root }, LOG);
}

/** Changes that do the same, as far as these cases can tell, and why. */
const SAME: readonly (readonly [RegExp, string])[] = [
  [/^LC_ALL=C/, 'everything here is ASCII'],
  [/^set -f$/, 'no word of a case is a pattern'],
  [/^trap 'exit 1' /, 'no case sends a signal'],
  [/--retry 29 /, 'it tries more often'],
  [/^ {2}\[ ! -f "\$out" \] \|\| exit 0$/, 'it fetches a tile again'],
  [/% 10009\)\)"\) rest=|^ {2}while \[ "\$rest" -gt 0/, 'only a log of more than 256,000 entries has such tiles'],
];

/** Tries changed scripts until a case comes out wrong. Returns those that nothing finds, as `LINE: TEXT`. */
export async function upgradeSurvivors(
  mutants: readonly Mutant[],
  all: readonly LaidOut[],
  dir: string,
): Promise<string[]> {
  let cases = all;
  const alive: string[] = [];
  await inParallel(mutants.entries(), { atATime: 5 }, async ([index, { line, was, now, text }]) => {
    if (SAME.some(([same]) => same.test(now === '' ? was : now))) return;
    const folder = join(dir, `mutant-${index}`);
    mkdirSync(folder);
    copyFileSync(join(dirname(UPGRADE), 'verify.sh'), join(folder, 'verify.sh'));
    const script = join(folder, 'upgrade.sh');
    writeFileSync(script, text);
    for (const one of cases) {
      if ((await wrongWith(one, script, dir)) === '') continue;
      cases = [one, ...cases.filter((other) => other !== one)];
      return;
    }
    alive.push(`${line}: ${now}`);
  });
  return alive;
}
