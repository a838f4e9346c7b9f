import { asNightlyError } from '../../base/as-nightly-error.ts';
import { byteReader, EndedEarly } from '../../base/byte-reader.ts';
import { NightlyError } from '../../base/errors.ts';
import { withFullDisk } from '../../base/full-disk.ts';
import { quietTask } from '../../base/task.ts';
import { systemTemporary } from '../../base/temporary.ts';
import { loadReceiveConfig, type PusherConfig } from '../../config/receive.ts';
import { message } from '../../publish/push/push-protocol.ts';
import { PUSH_COMMAND } from '../../publish/push/receiver-line.ts';
import { logPush } from '../../publish/receive/push-book.ts';
import type { Progress, Pusher } from '../../publish/receive/pusher.ts';
import { receivePush } from '../../publish/receive/receive-push.ts';
import type { RunContext } from '../context.ts';
import { defineCommand, usageError } from '../define.ts';
import { flag, text } from '../inputs.ts';
import type { Printer } from '../print.ts';

/**
 * `atomic-nightly receive`: the forced command of an ssh account without a shell, which takes pushes and nothing else. Gives the
 * exit code.
 */
export const receive = defineCommand({
  name: 'receive',
  section: 'Targets',
  summary: 'accept what "push" sends, as the only command of an ssh account',
  options: {
    as: text('NAME', 'the pusher: a name in the configuration'),
    check: flag('check the configuration and everything it names; accept no push'),
  },
  exitCodes: { 0: 'the push was accepted, or the check found no faults', 1: 'it was refused, or there are faults' },
  notes:
    '--config names a separate configuration: docs/push.md. The first line below goes into ~/.ssh/authorized_keys of the account, for each key.',
  examples: [
    'command="atomic-nightly receive --config /etc/atomic-nightly/receive.yaml --as alice",restrict ssh-ed25519 …',
    'atomic-nightly receive --config /etc/atomic-nightly/receive.yaml --check',
  ],
  interruptible: true,
  async run({ as: name, check }, context) {
    if (check) return checkAll(name, context);
    if (name === undefined) throw usageError('receive', 'receive needs --as NAME.');
    const asked = process.env['SSH_ORIGINAL_COMMAND'];
    if (asked !== PUSH_COMMAND) {
      throw new NightlyError(
        'usage',
        `This account takes pushes and nothing else; ${asked === undefined ? 'it has no shell' : 'no other command is run'}.`,
        { hint: 'Push with "atomic-nightly push REF ssh://ACCOUNT@HOST/".' },
      );
    }
    const progress: Progress = { refs: [], bytes: 0 };
    const pusher: Pusher = {
      reader: byteReader(process.stdin),
      tell: (value) => void process.stdout.write(message(value)),
      send: (bytes) => void process.stdout.write(bytes),
    };
    let config: PusherConfig | undefined;
    try {
      config = await pusherNamed(name, context.config);
      const accepted = await receivePush(config, pusher, progress, quietTask('/dev/null', context.signal));
      await noted(config, progress, progress.hello?.dry ? 'dry run' : 'accepted');
      pusher.tell({ accepted });
      return 0;
    } catch (caught) {
      const { code, message: why, hint } = refusalOf(caught, Object.values(config?.root ?? {}));
      if (config) await noted(config, progress, `${code}: ${why}`);
      pusher.tell({ refused: { code, message: why, ...(hint === undefined ? {} : { hint }) } });
      return 1;
    } finally {
      process.stdin.destroy();
    }
  },
});

async function pusherNamed(name: string, path: string): Promise<PusherConfig> {
  const config = (await loadReceiveConfig(path)).get(name);
  if (config) return config;
  throw new NightlyError('config', `The far side knows no pusher "${name}".`, {
    hint: 'Its operator has to correct --as in authorized_keys, or the names under "pushers".',
  });
}

function refusalOf(caught: unknown, roots: readonly string[]): NightlyError {
  if (!(caught instanceof EndedEarly)) {
    const error = withFullDisk(asNightlyError(caught, roots), [...roots, systemTemporary()]);
    if (error.code !== 'disk-full') return error;
    return new NightlyError(error.code, error.message, {
      hint: 'Have its operator free some space there, then push again.',
      cause: error,
    });
  }
  return new NightlyError('target-unreachable', 'The connection ended before the push did.', { cause: caught });
}

/** A log that cannot be written must not make a push that is in look like one that is not. */
async function noted({ name, log }: PusherConfig, { refs, bytes }: Progress, verdict: string): Promise<void> {
  if (log === undefined) return;
  const [from] = (process.env['SSH_CLIENT'] ?? '').split(' ');
  const line = { at: new Date().toISOString(), name, ...(from ? { from } : {}), refs, bytes, verdict };
  await logPush(log, line).catch((error: unknown) => {
    process.stderr.write(`the log ${log} of the far side cannot be written: ${String(error)}\n`);
  });
}

async function checkAll(name: string | undefined, { config: path, print, signal }: RunContext): Promise<number> {
  const all = await loadReceiveConfig(path);
  const pushers = name === undefined ? [...all.values()] : [await pusherNamed(name, path)];
  let isWell = true;
  for (const pusher of pushers) isWell = (await report(pusher, print, signal)) && isWell;
  return isWell ? 0 : 1;
}

async function report(pusher: PusherConfig, print: Printer, signal: AbortSignal): Promise<boolean> {
  const { checkPusher } = await import('../../publish/receive/check-pusher.ts');
  const faults = await checkPusher(pusher, quietTask('/dev/null', signal));
  print(
    `${faults.length === 0 ? '✓' : '✗'} ${pusher.name}: ${pusher.refs.join(', ')} in ${Object.values(pusher.root).join(', ')}`,
  );
  for (const { message: why, hint } of faults)
    print(`  ${why}${hint === undefined ? '' : `\n    what to do: ${hint}`}`);
  return faults.length === 0;
}
