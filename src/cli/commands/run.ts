import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import { formatSeconds } from '../../base/format.ts';
import { removeStaleFolders, temporaryPrefix } from '../../base/temporary.ts';
import type { BootRequest, Vm } from '../../boot/boot-image.ts';
import { attachConsole } from '../../boot/console.ts';
import { endStaleMachines } from '../../boot/stale-machines.ts';
import { resolveBuildName } from '../../build/build-name.ts';
import { findBuild } from '../../build/build-store.ts';
import { loadConfig } from '../../config/load.ts';
import { type ImageRun, prepareImage, runImage, switchOn } from '../../pipelines/run-image.ts';
import { removeTree } from '../../programs/rm.ts';
import { sshToThrowAway, throwAwayLogin } from '../../programs/ssh.ts';
import type { Runner } from '../../run/runner.ts';
import type { RunContext } from '../context.ts';
import { defineCommand } from '../define.ts';
import { flag, optionalWithDefault, text } from '../inputs.ts';
import { preparationTask } from '../open-run.ts';
import { printJson } from '../print.ts';
import { withSteps } from '../with-steps.ts';

/**
 * `atomic-nightly run BUILD`: boots an image of a build in QEMU on an overlay that is thrown away afterwards, however it
 * ends; what a killed one left, the next removes. On a terminal the serial line is the terminal. Gives the exit code of the
 * command that was to run in the guest.
 * @throws NightlyError `usage`, `not-found`; `gate-failed` when it does not boot.
 */
export const run = defineCommand({
  name: 'run',
  section: 'Looking at builds',
  summary: "boot a build's image in QEMU, log in, and throw the guest away afterwards",
  arguments: { build: optionalWithDefault('BUILD', 'build id', 'latest', 'build') },
  options: {
    image: text('TYPE', 'image type; default: the first that boots without being installed'),
    upgradeFrom: text('BUILD', 'boot the image of this build, and upgrade it to the other'),
    ssh: text('COMMAND', 'run a command in the guest and exit with its exit code'),
    memory: text('MIB', 'memory of the guest; default: what the image type asks for'),
    json: flag('how to reach the guest, or what the command printed, for scripts'),
  },
  notes:
    'On a terminal it is the console of the guest, logged in; Ctrl-] leaves and ends it. Otherwise it prints how to reach the guest over ssh, and runs until it is interrupted or the guest powers off.',
  examples: [
    'atomic-nightly run latest',
    'atomic-nightly run 20261121_02 --ssh "rpm -q kernel"',
    'atomic-nightly run latest --upgrade-from -2 --ssh "ostree admin status"',
  ],
  interruptible: true,
  async run({ build: id, image: type, upgradeFrom, ssh, memory, json }, context) {
    const { config: path, signal } = context;
    const memoryMib = memory === undefined ? undefined : memoryOf(memory);
    const config = await loadConfig(path);
    const { work } = config;
    const build = await findBuild(work, id);
    const from =
      upgradeFrom === undefined ? undefined : await findBuild(work, await resolveBuildName(work, upgradeFrom));
    const task = preparationTask({ config }, signal);
    const guests = join(work, 'guests');
    await makeFolder(guests);
    await endStaleMachines(task);
    removeStaleFolders(guests);
    const dir = await mkdtemp(temporaryPrefix('guest', guests));
    const asked = { config, build, from, type, memoryMib, dir };
    const remove = () => removeTree(dir, preparationTask({ config }, new AbortController().signal));
    try {
      const code = await withSteps(dir, context, async (runner) => {
        const request = await prepareImage(asked, runner);
        if (ssh === undefined && !json && isTerminal()) return onTerminal(asked, request, runner, context);
        const vm = await runImage(asked, request, runner);
        try {
          return ssh === undefined
            ? await untilEnded(asked, vm, json, context)
            : await runCommand(ssh, { asked, vm, json }, context);
        } finally {
          await vm.stop();
        }
      });
      await remove();
      return code;
    } catch (error) {
      // The logs of a guest that failed stay until the next one.
      if (!(error instanceof NightlyError && error.code === 'gate-failed')) await remove();
      if (!signal.aborted) throw error;
      throw new NightlyError('interrupted', 'Interrupted: the guest is gone, with everything in it.', { cause: error });
    }
  },
});

function memoryOf(written: string): number {
  if (/^[1-9]\d{1,6}$/.test(written)) return Number(written);
  throw new NightlyError('usage', `--memory is "${written}", not a number of MiB.`, { hint: 'As in --memory 2048.' });
}

const isTerminal = (): boolean => Boolean(process.stdin.isTTY && process.stdout.isTTY);

/** The terminal is the guest's serial line, from its boot loader on, or from the upgrade on. */
async function onTerminal(asked: ImageRun, request: BootRequest, runner: Runner, { signal, print }: RunContext) {
  const withConsole = { ...request, console: true };
  const guest = asked.from === undefined ? await switchOn(request, runner) : await runImage(asked, withConsole, runner);
  try {
    const { host, reversePorts } = guest;
    const password = guest.console?.password;
    print(`Console of build ${asked.build.meta.buildid}; Ctrl-] leaves it, and the guest is thrown away.`);
    if (password !== undefined) print(`  user ${host.user}, password ${password}`);
    print(`  once it is up: ${throwAwayLogin(host, reversePorts)}`);
    const login = password === undefined ? undefined : { user: host.user, password };
    await attachConsole({ guest, input: process.stdin, output: process.stdout, login, signal });
    print('');
    return 0;
  } finally {
    await guest.stop();
  }
}

/** Says how to reach the guest and waits for its end; being interrupted is the usual one. */
async function untilEnded(asked: ImageRun, vm: Vm, json: boolean, { signal, print }: RunContext): Promise<number> {
  if (json) printJson(factsOf(asked, vm), print);
  else {
    print(`Build ${asked.build.meta.buildid} runs: booted in ${formatSeconds(vm.bootSeconds)}.`);
    print(`  ${throwAwayLogin(vm.host, vm.reversePorts)}`);
    print('It is thrown away when this program is interrupted, or when it powers off.');
  }
  const interrupted = new Promise<void>((settle) => {
    if (signal.aborted) settle();
    else signal.addEventListener('abort', () => settle(), { once: true });
  });
  await Promise.race([vm.exited, interrupted]);
  return 0;
}

/** Runs a command in the guest, its output as it comes. @returns its exit code */
async function runCommand(
  command: string,
  { asked, vm, json }: { readonly asked: ImageRun; readonly vm: Vm; readonly json: boolean },
  { signal, print }: RunContext,
): Promise<number> {
  const lines = { stdout: '', stderr: '' };
  const onLine = (line: string, stream: 'stdout' | 'stderr'): void => {
    if (json) lines[stream] += `${line}\n`;
    else process[stream].write(`${line}\n`);
  };
  const okExitCodes = Array.from({ length: 256 }, (_, code) => code);
  const options = { okExitCodes, reversePorts: vm.reversePorts, onLine };
  const { exitCode } = await sshToThrowAway(vm.host, command, options, preparationTask(asked, signal));
  if (json) printJson({ ...factsOf(asked, vm), 'exit-code': exitCode, ...lines }, print);
  return exitCode;
}

function factsOf({ build, from }: ImageRun, { host, accelerator, bootSeconds, serialLog }: Vm): object {
  return {
    build: build.meta.buildid,
    ...(from && { 'upgraded-from': from.meta.buildid }),
    ssh: { address: host.address, port: host.port, user: host.user, 'key-file': host.keyFile },
    ...{ accelerator, 'boot-seconds': bootSeconds, 'serial-log': serialLog },
  };
}
