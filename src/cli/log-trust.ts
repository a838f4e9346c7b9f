import { bytesIfThere } from '../base/files.ts';
import { type FilePurpose, readPublicFile } from '../base/secret-file.ts';
import { durationSeconds } from '../config/duration.ts';
import { parseVkey } from '../log/note-keys.ts';
import { type Policy, parsePolicy } from '../log/policy.ts';
import { usageError } from './define.ts';
import { text } from './inputs.ts';

/** Options of the commands that verify a release log as a client. */
export const LOG_TRUST_OPTIONS = {
  logKey: text('VKEY', 'verify the release log, which has this public key'),
  policy: text('FILE', 'whom to trust instead: logs, witnesses, and how many of these', { completes: 'file' }),
  state: text('FILE', 'what was seen of the log last; it must have grown from there', { completes: 'file' }),
  maxAge: text('TIME', 'how old the newest cosignature may be, as in 36h'),
} as const;

interface Given {
  readonly logKey: string | undefined;
  readonly policy: string | undefined;
  readonly state: string | undefined;
  readonly maxAge: string | undefined;
}

/** Whom and what a client trusts of a log. */
export interface LogTrust {
  readonly policy: Policy;
  readonly seen?: { readonly note: Buffer; readonly file: string };
  readonly maxAgeSeconds?: number;
}

const POLICY_FILE: Omit<FilePurpose, 'exposed'> = {
  what: 'policy',
  code: 'usage',
  missing: 'Name a file in the format of c2sp.org/tlog-policy with --policy, or a key with --log-key.',
};

/**
 * Reads what these options name; undefined where none asks for the log.
 * @throws NightlyError `usage`, `log`
 */
export async function readLogTrust(
  command: string,
  { logKey, policy, state, maxAge }: Given,
): Promise<LogTrust | undefined> {
  if (logKey === undefined && policy === undefined) {
    if (state === undefined && maxAge === undefined) return undefined;
    throw usageError(
      command,
      '--state and --max-age are about the release log: name its key with --log-key or --policy.',
    );
  }
  if (maxAge !== undefined) checkAge(command, '--max-age', maxAge);
  const trusted = await readPolicyOf(command, logKey, policy);
  const note = state === undefined ? undefined : await bytesIfThere(state);
  return {
    policy: trusted,
    ...(state !== undefined && note && { seen: { note, file: state } }),
    ...(maxAge !== undefined && { maxAgeSeconds: durationSeconds(maxAge) }),
  };
}

/** Checks a time that an option has. @throws NightlyError `usage` */
export function checkAge(command: string, option: string, text: string): void {
  if (/^[1-9]\d{0,5}[mhdw]$/.test(text)) return;
  throw usageError(command, `${option} ${text}: must be a number with m, h, d or w, as in 36h.`);
}

async function readPolicyOf(command: string, logKey: string | undefined, file: string | undefined): Promise<Policy> {
  const key = logKey === undefined ? undefined : parseVkey(logKey, { file: '--log-key' });
  if (key && key.type !== 'ed25519') throw usageError(command, `--log-key ${logKey} is the key of a witness.`);
  if (file === undefined) return { logs: key ? [{ key }] : [], witnesses: [], quorum: { kind: 'none' } };
  const policy = parsePolicy(await readPublicFile(file, POLICY_FILE), { file });
  return key ? { ...policy, logs: [{ key }] } : policy;
}
