/**
 * Measures how long the program takes to start against another commit's, built in the same run and measured in turns:
 * --version, --help, the help of a command, and a nightly build that finds nothing changed, which is what runs most often.
 * Prints the processor time of each and the ratios.
 *
 *   npm run bench:start-up -- COMMIT [RUNS]
 */
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../src/programs/exec.ts';
import { median } from '../support/statistics.ts';
import { makeWorld } from '../support/world.ts';

const CHECKOUT = new URL('../..', import.meta.url).pathname;

const [commit, runs = '9'] = process.argv.slice(2);
if (commit === undefined) throw new Error('COMMIT is missing');
const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-bench-'));
try {
  const other = await buildCommit(commit, join(dir, 'other'));
  const world = await makeWorld(await mkdtemp(join(dir, 'world-')));
  try {
    const first = await world.nightly('nightly');
    if (first.code !== 0) throw new Error(first.stderr);
    const nightly = ['--config', world.config, 'nightly'];
    await compare('--version', ['--version'], 0, other);
    await compare('--help', ['--help'], 0, other);
    await compare('nightly --help', ['nightly', '--help'], 0, other);
    await compare('nightly, unchanged', nightly, 10, other);
  } finally {
    await world.stop();
  }
} finally {
  await rm(dir, { recursive: true, force: true });
}

/** Builds a commit with this checkout's packages; gives its program. */
async function buildCommit(name: string, folder: string): Promise<string> {
  await run('sh', ['-c', 'mkdir "$2" && git archive "$1" | tar -x -C "$2"', 'sh', name, folder], { cwd: CHECKOUT });
  await symlink(join(CHECKOUT, 'node_modules'), join(folder, 'node_modules'));
  await run('npm', ['run', '--silent', 'build'], { cwd: folder });
  return join(folder, 'bin/atomic-nightly.js');
}

async function compare(what: string, args: readonly string[], code: number, other: string): Promise<void> {
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let index = 0; index < Number(runs); index += 1) {
    theirs.push(await seconds(other, args, code));
    ours.push(await seconds(join(CHECKOUT, 'bin/atomic-nightly.js'), args, code));
  }
  const ratio = median(ours.map((one, index) => one / (theirs[index] ?? 0)));
  console.log(
    `${what.padEnd(20)} ${median(ours).toFixed(3)} s, ${commit} ${median(theirs).toFixed(3)} s, ratio ${ratio.toFixed(2)}`,
  );
}

/** Processor time, the system's included: other work on the machine changes it less than the time on the clock. */
async function seconds(program: string, args: readonly string[], code: number): Promise<number> {
  const script = 'TIMEFORMAT="%U %S"; time "$@" >/dev/null 2>&1; code=$?; exit $code';
  const timed = `{ ${script.split('; exit')[0]}; } 2>&1; exit $code`;
  const { stdout } = await run('bash', ['-c', timed, 'bash', process.execPath, program, ...args], {
    okExitCodes: [code],
  });
  const [user = 0, system = 0] = stdout.trim().split(' ').map(Number);
  return user + system;
}
