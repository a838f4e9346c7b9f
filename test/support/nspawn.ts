import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { run, start } from '../../src/programs/exec.ts';

/** A machine whose first process is systemd. */
export interface Machine {
  /** Runs a program in it; gives its standard output, without the newline at its end. */
  inside(program: string, ...args: readonly string[]): Promise<string>;
  /** The same, whatever its exit code, which comes first. */
  tried(program: string, ...args: readonly string[]): Promise<readonly [code: number, output: string]>;
}

/**
 * Boots this very system once more in a container of systemd-nspawn until the running test ends: its files are seen
 * through an overlay and what it writes goes to memory, but for the folders bound into it. The network is that of the host.
 * @param files contents by absolute path
 * @param binds folders of the host by the path at which they are seen
 */
export async function bootMachine(
  dir: string,
  {
    files,
    binds,
  }: { readonly files: Readonly<Record<string, string>>; readonly binds: Readonly<Record<string, string>> },
): Promise<Machine> {
  const memory = join(dir, 'machine');
  const [root, upper, work] = [join(memory, 'root'), join(memory, 'upper'), join(memory, 'work')];
  await mkdir(memory);
  await run('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', memory]);
  onTestFinished(async () => void (await run('umount', [memory])));
  for (const folder of [root, upper, work]) await mkdir(folder);
  await run('mount', ['-t', 'overlay', 'overlay', '-o', `lowerdir=/,upperdir=${upper},workdir=${work}`, root]);
  onTestFinished(async () => void (await run('umount', [root])));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
  }
  const said: string[] = [];
  const nspawn = await start(
    'systemd-nspawn',
    [
      ...['--quiet', '--register=no', '--keep-unit', '--boot', `--directory=${root}`, '--capability=all'],
      ...Object.entries(binds).map(([inside, outside]) => `--bind=${outside}:${inside}`),
      // Nothing of what this system itself starts, but what any system needs.
      'systemd.unit=basic.target',
    ],
    { onLine: (line) => said.push(line) },
  );
  onTestFinished(async () => {
    // Its systemd shuts down; what would not end is killed after a while.
    process.kill(nspawn.pid, 'SIGTERM');
    await Promise.race([nspawn.exited, sleep(20_000, undefined, { ref: false })]);
    await nspawn.stop();
  });
  const first = await until(
    () => 'the first process',
    async () => {
      const children = await readFile(`/proc/${nspawn.pid}/task/${nspawn.pid}/children`, 'utf8');
      return /^\d+/.exec(children)?.[0];
    },
  );
  const enter = ['--target', first, '--mount', '--uts', '--ipc', '--pid', '--cgroup', '--root', '--wd'];
  const tried: Machine['tried'] = async (program, ...args) => {
    const { exitCode, stdout, stderr } = await run('nsenter', [...enter, program, ...args], {
      okExitCodes: Array.from({ length: 256 }, (_, code) => code),
    });
    return [exitCode, `${stdout}${stderr}`.trimEnd()];
  };
  await until(
    () => `systemd to be up; it said:\n${said.join('\n')}`,
    async () => {
      const [, state] = await tried('systemctl', 'is-active', 'basic.target');
      return state === 'active' ? true : undefined;
    },
    () => said.length,
  );
  return {
    tried,
    inside: async (program, ...args) => (await run('nsenter', [...enter, program, ...args])).stdout.trimEnd(),
  };
}

/** Waits for as long as there is progress, and a minute. */
async function until<Value>(
  what: () => string,
  look: () => Promise<Value | undefined>,
  progress: () => number = () => 0,
): Promise<Value> {
  let [seen, tries] = [progress(), 0];
  for (; tries < 600; tries += 1) {
    if (progress() !== seen) [seen, tries] = [progress(), 0];
    const value = await look().catch(() => undefined);
    if (value !== undefined) return value;
    await sleep(100);
  }
  throw new Error(`waited in vain for ${what()}`);
}
