import { type ErrorCode, NightlyError } from '../../errors.ts';
import type { Task } from '../../tools/task.ts';

interface Rule {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly hint: string;
}

/** rpm-ostree has one exit code for every error, so its messages tell them apart; wordings of 2018.7 to 2026.2. */
const RULES: readonly Rule[] = [
  {
    pattern: /No space left on device|Disk quota exceeded|would be exceeded, at least/i,
    code: 'disk-full',
    hint: 'Free some space on that file system, then run "atomic-nightly resume".',
  },
  {
    pattern: /already locked by/,
    code: 'locked',
    hint: 'Another rpm-ostree uses the same cache; wait for it to end.',
  },
  {
    pattern: /Unknown rpm-md repository/,
    code: 'repo-unknown',
    hint: 'Repositories are looked for by their id in the *.repo files beside the treefile; correct "repos" or add the file.',
  },
  {
    pattern: /package not signed|cannot be verified|GPG (?:signature )?verification|NOKEY|no (?:public )?key/i,
    code: 'package-unsigned',
    hint: 'Sign the package, or put the public key where the "gpgkey=" of its .repo file points to.',
  },
  {
    pattern: /Packages not found|No package matches|Couldn't find locked package/,
    code: 'package-missing',
    hint: 'Correct the name in the treefile, or add the repository that has the package.',
  },
  {
    pattern: /Could not depsolve|nothing provides|conflicting requests/i,
    code: 'depsolve',
    hint: 'The lines above name what is missing or in conflict; a repository may be incomplete at the moment.',
  },
  {
    pattern: /Updating rpm-md repo|Cannot download|Failed to download|Curl error|repomd\.xml/i,
    code: 'repo-unreachable',
    hint: 'Check the URL in the .repo file and the network; a mirror may be away for a while.',
  },
  {
    pattern:
      /Failed to load (?:YAML )?treefile|Parsing .*(?:serde|JSON|YAML|unknown field)|Treefile root|unknown field|treefile/i,
    code: 'treefile',
    hint: 'Correct the treefile; "atomic-nightly treefile FILE" shows how it is read.',
  },
];

/** The failure of a run as ours: what rpm-ostree said, in the code that its words mean. */
export function composeFailure(exitCode: number, stderr: string, task: Task): NightlyError {
  const said = errorText(stderr);
  const rule = RULES.find(({ pattern }) => pattern.test(said));
  const how = exitCode === 134 ? 'aborted on an assertion' : `failed with exit code ${exitCode}`;
  return new NightlyError(rule?.code ?? 'compose', `rpm-ostree ${how}:\n${said}`, {
    hint: rule?.hint ?? 'The step log has all it printed.',
    log: task.logFile,
  });
}

/** From the last `error: ` on, which may have several lines; without one, the last lines. */
function errorText(stderr: string): string {
  const lines = stderr.trimEnd().split('\n');
  const start = lines.findLastIndex((line) => /^error: |^Bail out!|^thread .* panicked/.test(line));
  return (start < 0 ? lines.slice(-12) : lines.slice(start, start + 40)).join('\n').replace(/^error: /, '');
}
