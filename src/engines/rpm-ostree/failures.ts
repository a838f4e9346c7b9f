import { constants } from 'node:os';
import { type ErrorCode, NightlyError } from '../../base/errors.ts';
import { FREE_SPACE_HINT, FULL_WORDS } from '../../base/full-disk.ts';
import type { Task } from '../../base/task.ts';

interface Rule {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly hint: string;
}

/** rpm-ostree has one exit code for every error, so its messages tell them apart; wordings of 2018.7 to 2026.2. */
const RULES: readonly Rule[] = [
  {
    pattern: /opening directory .{0,3}\/etc\/pki\/rpm-gpg/i,
    code: 'compose',
    hint: 'Make the folder that rpm-ostree reads public keys from: mkdir -p /etc/pki/rpm-gpg (Debian has none). With file:// repositories only the keys in it count, whatever "gpgkey=" says.',
  },
  {
    pattern: /While creating stdout stream fd/,
    code: 'compose',
    hint: 'This rpm-ostree takes a socket as its standard output for the journal. atomic-nightly gives it a pipe: whatever engine.command runs it in must pass that on.',
  },
  {
    pattern: /openat\((?:usr\/)?etc\/(?:passwd|group)\): No such file/,
    code: 'compose',
    hint: 'Releases 2018.10 to 2021.1 fail on every build after the first. Write "preserve-passwd: false" into the treefile, or check-passwd and check-groups of type "file".',
  },
  {
    pattern: new RegExp(`${FULL_WORDS.source}|would be exceeded, at least`, 'i'),
    code: 'disk-full',
    hint: FREE_SPACE_HINT,
  },
  {
    pattern: /already locked by/,
    code: 'locked',
    hint: 'Another rpm-ostree uses the same cache; wait for it to end.',
  },
  {
    pattern: /Unknown rpm-md repository/,
    code: 'repo-unknown',
    hint: 'Repositories are looked up by their id in the *.repo files next to the treefile; correct "repos" or add the file.',
  },
  {
    pattern: /package not signed|cannot be verified|GPG (?:signature )?verification|NOKEY|no (?:public )?key/i,
    code: 'package-unsigned',
    hint: 'Sign the package, or put the public key where the "gpgkey=" of its .repo file points to; with a file:// repository, into /etc/pki/rpm-gpg, since rpm-ostree looks nowhere else then.',
  },
  {
    pattern: /Packages not found|No package matches|Couldn't find locked package/,
    code: 'package-missing',
    hint: 'Correct the name in the treefile, or add the repository that has the package.',
  },
  {
    pattern: /Could not depsolve|nothing provides|conflicting requests/i,
    code: 'depsolve',
    hint: 'The lines above name what is missing or in conflict; a repository may be incomplete right now.',
  },
  {
    pattern: /Updating rpm-md repo|Cannot download|Failed to download|Curl error|repomd\.xml/i,
    code: 'repo-unreachable',
    hint: 'Check the URL in the .repo file and the network; a mirror may be down for a while.',
  },
  {
    pattern:
      /Failed to load (?:YAML )?treefile|Parsing .*(?:serde|JSON|YAML|unknown field)|Treefile root|unknown field|treefile/i,
    code: 'treefile',
    hint: 'Correct the treefile; "atomic-nightly treefile FILE" shows how it is read.',
  },
];

/** Returns the failure of a run as ours: what rpm-ostree said, in the code that its words mean. */
export function composeFailure(exitCode: number, stderr: string, task: Task): NightlyError {
  const said = errorText(stderr);
  const rule = RULES.find(({ pattern }) => pattern.test(said));
  const signal = exitCode > 128 ? signalName(exitCode - 128) : undefined;
  const message =
    signal === undefined
      ? `rpm-ostree failed with exit code ${exitCode}:\n${said}`
      : `rpm-ostree was ended by ${signal}: ${said || 'it said nothing about why'}`;
  return new NightlyError(rule?.code ?? 'compose', message, {
    hint: rule?.hint ?? (signal === 'SIGKILL' ? KILLED : 'The step log has all it printed.'),
    log: task.logFile,
  });
}

const KILLED = 'Somebody killed it, or the system ran out of memory (see "dmesg"); then run "atomic-nightly resume".';

function signalName(number: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? `signal ${number}`;
}

/**
 * Returns what rpm-ostree says last about why: from `error: `, a failed assertion or a panic on, which may have several
 * lines; without any, the last lines.
 */
function errorText(stderr: string): string {
  const lines = stderr.trimEnd().split('\n');
  const start = lines.findLastIndex((line) => /^error: |^Bail out!|^ERROR:|^thread .* panicked|what\(\): /.test(line));
  return (start < 0 ? lines.slice(-12) : lines.slice(start, start + 40)).join('\n').replace(/^error: /, '');
}
