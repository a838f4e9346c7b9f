import { randomBytes } from 'node:crypto';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { sshToThrowAway } from '../../programs/ssh.ts';
import type { Vm } from '../boot-image.ts';
import { Stalled, whileProgressing } from '../patience.ts';
import { reboot } from '../upgrade.ts';
import { startCommand } from './guest-side.ts';
import type { GuestTest } from './test-folder.ts';

/** How a test ended. */
export interface TestEnd {
  readonly verdict: 'passed' | 'failed' | 'skipped';
  /** Seconds, without the boot of its guest, with its restarts. */
  readonly seconds: number;
  readonly reboots: number;
  /** Why it failed, or the last lines of one that was skipped. */
  readonly message?: string;
  /** Whether the guest can be given another test. */
  readonly isGuestGood: boolean;
}

/** The exit code by which a test says that it is not for this machine; automake and kola have it as well. */
const SKIPPED = 77;
const MOST_REBOOTS = 20;
const LAST_LINES = 15;

/** Runs a test in a guest that it was put into, restarting the machine as it asks. @param task its log is the test's own */
export async function runTest(vm: Vm, test: GuestTest, bootSeconds: number, task: Task): Promise<TestEnd> {
  const started = performance.now();
  let reboots = 0;
  const end = (verdict: TestEnd['verdict'], message: string | undefined, isGuestGood: boolean): TestEnd => ({
    ...{ verdict, reboots, isGuestGood, seconds: Math.round((performance.now() - started) / 100) / 10 },
    ...(message !== undefined && { message }),
  });
  for (;;) {
    const { said, lines } = await startOnce(vm, test, task);
    const last = lines.join('\n');
    if (said instanceof Stalled) {
      return end('failed', withLines(`It counts as hung: ${said.message}.`, last), false);
    }
    const [, how, value = ''] = /^(exit|reboot) (.*)$/.exec(said ?? '') ?? [];
    if (how === undefined) return end('failed', withLines('The guest was lost while it ran.', last), false);
    if (how === 'exit') {
      const code = Number(value);
      if (code === 0) return end('passed', undefined, true);
      if (code === SKIPPED) return end('skipped', last, true);
      return end('failed', withLines(`It ended with exit code ${code}.`, last), true);
    }
    if (!test.reboots) return end('failed', 'It asked for a restart, but does not declare "reboots: true".', false);
    reboots += 1;
    if (reboots > MOST_REBOOTS) return end('failed', `It asked for more than ${MOST_REBOOTS} restarts.`, false);
    task.say(`Restarting the machine: ${value}`);
    try {
      await reboot(vm, bootSeconds, task);
    } catch (error) {
      if (!(error instanceof NightlyError) || error.code !== 'gate-failed') throw error;
      return end('failed', `The machine did not come back from restart ${reboots} (${value}). ${error.message}`, false);
    }
  }
}

/** @returns what was said of its end, undefined when the connection broke; and the last lines that it printed */
async function startOnce(vm: Vm, test: GuestTest, task: Task) {
  const word = `guest-test-${randomBytes(6).toString('hex')}`;
  const lines: string[] = [];
  let said: string | undefined;
  const onLine = (line: string): void => {
    if (line.startsWith(`${word} `)) said = line.slice(word.length + 1);
    else if (lines.push(line) > LAST_LINES) lines.shift();
  };
  const options = { reversePorts: vm.reversePorts, onLine, okExitCodes: [0, 1, 255] };
  try {
    // Its own output is the sign of life: other tests write to the serial line as well.
    await whileProgressing({ serialLog: task.logFile, seconds: test.timeoutSeconds }, task, (watched) =>
      sshToThrowAway(vm.host, startCommand(test.name, word), options, watched),
    );
    return { said, lines };
  } catch (error) {
    if (error instanceof Stalled) return { said: error, lines };
    throw error;
  }
}

const withLines = (what: string, last: string): string => (last === '' ? what : `${what}\n${last}`);
