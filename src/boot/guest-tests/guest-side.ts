import { shellWord } from '../../base/quoting.ts';
import type { GuestTest, TestFile } from './test-folder.ts';

/** Where everything of the tests is in a guest; kept over its restarts. */
const HOME = '/var/lib/guest-test';

/** What a test is told of the build it is for, as variables of its environment. */
export type TestVariables = Readonly<Record<string, string>>;

/** The command that tests have on their PATH. */
const GUEST_TEST = `#!/bin/sh
# guest-test reboot MARK: ends this run of the test, restarts the machine, and starts the test again with
#   AUTOPKGTEST_REBOOT_MARK=MARK
# guest-test upgrade: pulls and deploys the build that is tested
# guest-test rollback [COMMIT]: deploys a commit that is there once more; default: the one that the guest was booted with first
set -eu
case "\${1:-}" in
reboot)
  case "\${2:-}" in
  '' | *[!A-Za-z0-9._-]*) echo "guest-test reboot: a mark is letters, digits, '.', '_' and '-'" >&2; exit 2 ;;
  esac
  printf '%s' "$2" > "$TEST_HOME/mark.new"
  mv "$TEST_HOME/mark.new" "$TEST_HOME/mark"
  kill -s KILL -- "-$(cat "$TEST_HOME/group")"
  ;;
upgrade)
  remote=$(ostree remote list | head -n 1)
  ostree pull --url="$BUILD_URL" "$remote" "$BUILD_REF@$BUILD_COMMIT"
  ostree admin upgrade --deploy-only --override-commit="$BUILD_COMMIT"
  ;;
rollback)
  commit=\${2:-$START_COMMIT}
  if command -v rpm-ostree > /dev/null; then exec rpm-ostree rollback; fi
  origin=$(ls -d "/ostree/deploy/"*"/deploy/$commit."*.origin | tail -n 1)
  os=\${origin#/ostree/deploy/}
  ostree admin deploy --os="\${os%%/*}" --origin-file="$origin" "$commit"
  ;;
*)
  sed -n '2,5s/^# //p' "$0" >&2
  exit 2
  ;;
esac
`;

/**
 * Starts a test in a process group of its own and says how it ended, in a last line that begins with a word which the test
 * does not know: without that line nobody knows how it ended.
 */
const START = `#!/bin/sh
export TEST_HOME="${HOME}/tests/$1" word="$2"
export TEST_NAME="$1" ARTIFACTS="$TEST_HOME/artifacts" TEST_DATA="${HOME}/data" PATH="${HOME}/bin:$PATH"
. "${HOME}/variables"
AUTOPKGTEST_REBOOT_MARK=$(cat "$TEST_HOME/mark" 2> /dev/null)
export AUTOPKGTEST_REBOOT_MARK
rm -f "$TEST_HOME/mark"
mkdir -p "$ARTIFACTS"
printf '#!/bin/sh\\nexec ${HOME}/bin/guest-test reboot "$@"\\n' > /tmp/autopkgtest-reboot
chmod 755 /tmp/autopkgtest-reboot
cd "$TEST_HOME"
env -u word setsid --wait sh -c 'echo $$ > group; exec ./run' < /dev/null 2>&1
code=$?
kill -s KILL -- "-$(cat group)" 2> /dev/null
if [ -e mark ]; then echo "$word reboot $(cat mark)"; else echo "$word exit $code"; fi
`;

/** Prints the artifacts of a test, a line each: path and content, both in base64. With a second word the journal goes with them. */
const COLLECT = `#!/bin/sh
cd "${HOME}/tests/$1/artifacts" || exit 0
if [ -n "$2" ]; then journalctl -b --no-pager -n 2000 > journal.txt 2> /dev/null; fi
find . -type f -size -20480 -exec sh -c '
for file; do printf "%s %s\\n" "$(printf %s "\${file#./}" | base64 -w0)" "$(base64 -w0 "$file")"; done
' sh {} +
`;

/** Returns the shell script that puts tests and what goes with them into a guest, to be run there as root. */
export function setUpScript(tests: readonly GuestTest[], data: readonly TestFile[], variables: TestVariables): string {
  const text = (content: string) => Buffer.from(content);
  const exports = Object.entries(variables).map(([name, value]) => `export ${name}=${shellWord(value)}\n`);
  const files: readonly TestFile[] = [
    { path: 'bin/guest-test', content: text(GUEST_TEST), isExecutable: true },
    { path: 'bin/start', content: text(START), isExecutable: true },
    { path: 'bin/collect', content: text(COLLECT), isExecutable: true },
    { path: 'variables', content: text(exports.join('')), isExecutable: false },
    ...data.map((file) => ({ ...file, path: `data/${file.path}` })),
    ...tests.map(({ name, program }) => ({ path: `tests/${name}/run`, content: program, isExecutable: true })),
  ];
  return `set -e\numask 022\n${files.map(placed).join('')}`;
}

function placed({ path, content, isExecutable }: TestFile): string {
  const at = shellWord(`${HOME}/${path}`);
  const base64 = Buffer.from(content)
    .toString('base64')
    .replaceAll(/.{1,76}/g, '$&\n');
  const mode = isExecutable ? 755 : 644;
  return `mkdir -p "$(dirname ${at})"\nbase64 -d > ${at} << 'END'\n${base64}END\nchmod ${mode} ${at}\n`;
}

/** Returns the command that starts a test. @param word begins the line that says how it ended */
export function startCommand(test: string, word: string): string {
  return `sudo sh ${HOME}/bin/start ${test} ${word}`;
}

/** Returns the command that prints a test's artifacts. */
export function collectCommand(test: string, withJournal: boolean): string {
  return `sudo sh ${HOME}/bin/collect ${test} ${withJournal ? 'journal' : "''"}`;
}
