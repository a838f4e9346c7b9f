import { z } from 'zod';
import { didYouMean } from '../base/nearest.ts';
import { isKeyName } from '../log/note-keys.ts';
import { block, type Filled, type Here } from './block.ts';
import type { Breach, WrittenAt } from './breach.ts';
import { checkSigning, signingSchema } from './signing.ts';
import { filePath, word } from './values.ts';

/** Makes the schema of the `log` block. */
export const logSchema = (here: Here) =>
  block({
    home: z.string().describe('Target that has the log; nothing is logged that is not there first.'),
    origin: z
      .string()
      .regex(/^[^\s+/][^\s+]*[^\s+/]$/, 'must be a URL without its scheme and a slash at its end, blanks and "+"')
      .refine(isKeyName, 'must be without control characters')
      .optional()
      .describe('Name of the log and its key, for ever; default: the url of home without its scheme, and /log.'),
    'key-file': filePath(here)
      .optional()
      .describe('Private key of the log, readable by its owner only; "log init" makes it.'),
    'key-credential': word.optional().describe('Name of a systemd credential (LoadCredential=) with it.'),
    copies: z.array(z.string()).optional().describe('Targets that have a copy of the log; default: all others.'),
    policy: filePath(here).optional().describe('Who must have witnessed a checkpoint (c2sp.org/tlog-policy).'),
    witnesses: z
      .enum(['required', 'optional'])
      .default('required')
      .describe('Whether a build without the quorum of the policy is incomplete, or only warns.'),
    signing: signingSchema(here).describe(
      'OpenPGP keys that sign each checkpoint as well, for those whose openssl cannot verify Ed25519; two while one takes over.',
    ),
  });

/** The block as it was written. */
export type WrittenLog = z.output<ReturnType<typeof logSchema>>;

/** Where the private key of the log is. */
export type LogKeySource = { readonly file: string } | { readonly credential: string };

/** The release log as the program uses it. */
export type LogConfig = Omit<Filled<WrittenLog, 'origin' | 'copies'>, 'keyFile' | 'keyCredential'> & {
  readonly key: LogKeySource;
};

/** Fills in what depends on the targets. */
export function fillLog(
  { keyFile, keyCredential, ...log }: WrittenLog,
  targets: Readonly<Record<string, { readonly url: string }>>,
): LogConfig {
  return {
    ...log,
    key: keyFile === undefined ? { credential: keyCredential ?? '' } : { file: keyFile },
    origin: log.origin ?? originAt(targets[log.home]?.url ?? ''),
    copies: log.copies ?? Object.keys(targets).filter((name) => name !== log.home),
  };
}

const originAt = (url: string): string => `${url.replace(/^[a-z]+:\/\//, '')}/log`;

interface Parts {
  /** Undefined when there is none, or it has a fault of its own. */
  readonly log: WrittenLog | undefined;
  readonly targetNames: readonly string[];
  readonly targets: Readonly<Record<string, { readonly url: string }>>;
  readonly written: WrittenAt;
}

/** Returns what is wrong with the log that depends on more than one value. */
export function checkLog({ log, targetNames, targets, written }: Parts): Breach[] {
  if (log === undefined) return [];
  const breaches = checkSigning(log.signing ?? [], ['log', 'signing'], written);
  const add = (path: readonly (string | number)[], message: string) =>
    breaches.push({ path: ['log', ...path], message });
  const checkName = (name: string, path: readonly (string | number)[]): void => {
    if (targetNames.includes(name)) return;
    add(
      path,
      `there is no target "${name}".${didYouMean(name, targetNames) || ` Targets here: ${targetNames.join(', ')}.`}`,
    );
  };
  checkName(log.home, ['home']);
  for (const [index, name] of (log.copies ?? []).entries()) {
    checkName(name, ['copies', index]);
    if (name === log.home) add(['copies', index], `"${name}" is the home of the log.`);
    if (log.copies?.indexOf(name) !== index) add(['copies', index], `"${name}" is named twice.`);
  }
  if (log.keyFile === undefined && log.keyCredential === undefined) {
    add([], 'needs a key-file or a key-credential; "atomic-nightly log init" makes the key.');
  }
  if (log.keyFile !== undefined && log.keyCredential !== undefined) {
    add(['key-credential'], 'is one too many: there is key-file already.');
  }
  const url = targets[log.home]?.url;
  if (log.origin === undefined && url !== undefined && !isKeyName(originAt(url))) {
    add([], `needs an origin of its own: ${url} has a character that the name of a log may not have.`);
  }
  return breaches;
}

export const logTemplate = `
# A log of all that is published, in which nothing can be changed unseen (docs/release-log.md). "log init" makes the key.
# log:
#   home: buildlogs
#   key-file: /etc/atomic-nightly/log.key
#   # Name of the log and its key, which stays for ever. Default: the url of home without its scheme, and /log.
#   # origin: mirror.example.org/atomic/log
#   # Targets with a copy; default: all others.
#   # copies: [mirror]
#   # Who must have witnessed it; without the quorum a build is incomplete ("optional": it only warns).
#   # policy: /etc/atomic-nightly/log-policy
#   # witnesses: required
#   # An OpenPGP key that signs it as well, for users whose openssl is older than 3 (as in EL 8).
#   # signing: {type: gpg-agent, home: /etc/atomic-nightly/gnupg, key: 0123456789ABCDEF0123456789ABCDEF01234567}
`;
