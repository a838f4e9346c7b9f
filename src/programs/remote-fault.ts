import { NightlyError } from '../base/errors.ts';
import { oneLine } from '../base/one-line.ts';

interface Fault {
  readonly pattern: RegExp;
  readonly code: 'target-unreachable' | 'target-permission' | 'target-host-key' | 'locked';
  readonly hint: string;
}

/** What ssh, rsync and the programs of a far shell say, from the most telling to the least; the first match wins. */
const FAULTS: readonly Fault[] = [
  {
    pattern: /Another instance of rrsync is already accessing/,
    code: 'locked',
    hint: 'Run "atomic-nightly resume" in a minute. An account with "rrsync -no-lock" lets several transfers run at once.',
  },
  {
    pattern: /takes pushes and nothing else/,
    code: 'target-permission',
    hint: 'Push refs to it, or give streams an account with a shell.',
  },
  {
    pattern: /does not run rsync|SSH_ORIGINAL_COMMAND|account is currently not available/,
    code: 'target-permission',
    hint: 'That account has no shell. Give it one, or use a target of type rsync.',
  },
  {
    pattern:
      /option --?(delete|remove)\S* has been disabled|refuse --(delete|remove)|remove-source-files.*(disabled|refused|not allowed)/,
    code: 'target-permission',
    hint: 'Deleting is not allowed there: use rrsync without -no-del, or take "delete" off the module\'s "refuse options"; or prune on that host itself.',
  },
  {
    pattern:
      /rsync: \S*: unknown option|invalid rsync-command syntax|protocol incompatibility|protocol version mismatch/,
    code: 'target-unreachable',
    hint: 'The rsync at one end does not know what the other asks of it, or something there prints before rsync does: docs/relied-on.md lists the versions that work.',
  },
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|No .* host key is known/,
    code: 'target-host-key',
    hint: 'Ask the operator of that host for its key fingerprint, and only if it is right correct the known-hosts-file (ssh-keygen -R removes the old key, ssh-keyscan shows the new one).',
  },
  {
    pattern:
      /Permission denied|auth failed on module|module is read only|Read-only file system|Operation not permitted|password file must/,
    code: 'target-permission',
    hint: 'Check the account, its key or password-file, and that it may write to that path.',
  },
  {
    pattern:
      /change_dir.*No such file|mkdir.* (failed|directory .*): No such file|open failed .*No such file|chdir failed/,
    code: 'target-unreachable',
    hint: 'Make that folder on the far side, or correct the destination.',
  },
  {
    pattern:
      /client_loop|Connection (refused|reset|timed out|closed)|No route to host|Could not resolve|Unknown module|failed to connect|Network is unreachable|timeout in data|connection unexpectedly closed/i,
    code: 'target-unreachable',
    hint: 'Check the host, port and module, and that the server runs; then run "atomic-nightly resume".',
  },
];

/**
 * Turns the failure of a program that publishes over the network into one that says what is wrong at that destination;
 * what is not understood stays as it is.
 */
export function remoteFault(error: NightlyError, destination: string): NightlyError {
  if (error.code === 'disk-full') {
    const line = error.message.split('\n').find((text) => /No space left|quota exceeded/i.test(text)) ?? '';
    return new NightlyError('disk-full', `Cannot publish to ${destination}: ${oneLine(line)}`, {
      hint: 'Free some space there, then run "atomic-nightly resume".',
      cause: error,
      log: error.log,
    });
  }
  if (error.code !== 'tool-failed') return error;
  const fault = FAULTS.find(({ pattern }) => pattern.test(error.message));
  if (!fault) return error;
  const lines = error.message
    .split('\n')
    .slice(1)
    .filter((line) => line.trim() !== '' && !/^@+$/.test(line.trim()));
  const why = lines.find((line) => fault.pattern.test(line)) ?? lines[0] ?? '';
  return new NightlyError(fault.code, `Cannot publish to ${destination}: ${oneLine(why)}`, {
    hint: fault.hint,
    cause: error,
    log: error.log,
  });
}
