import { expect, test } from 'vitest';
import { repositoryFiles, repositoryText } from '../support/repository.ts';

/** Who may do without a log, and why nothing is published unlogged by it (I17). */
const WITHOUT: Readonly<Record<string, string>> = {
  'src/publish/log/logged.ts': 'where it is made',
  'src/publish/log/release-log.ts': 'for a configuration that keeps none',
  'src/publish/flip.ts': 'only asks whether there is one',
  'src/publish/receive/admit.ts': 'the account that takes pushes has no key of a log',
  'src/cli/far-side.ts': 'an address that belongs to no configuration',
};

/** Who may put a build into the index: it has the build logged first, or names what was there before. */
const INDEX: Readonly<Record<string, string>> = {
  'src/steps/deliver/publish-build.ts': 'behind the records, which are logged',
  'src/steps/deliver/reconcile.ts': 'behind logBuildsHere',
  'src/steps/deliver/sign-again.ts': 'signs what is there',
  'src/steps/release/mark-retracted.ts': 'marks builds that are there',
  'src/publish/prune/prune-builds.ts': 'takes builds out',
};

async function using(pattern: RegExp): Promise<string[]> {
  const paths = (await repositoryFiles(['src'])).filter((path) => path.endsWith('.ts'));
  expect(paths.length).toBeGreaterThan(300);
  const found = await Promise.all(
    paths.map(async (path) => {
      const lines = (await repositoryText(path)).split('\n').filter((line) => !/^\s*(?:\*|\/\/|\/\*)/.test(line));
      return lines.some((line) => pattern.test(line)) ? [path] : [];
    }),
  );
  return found.flat().sort();
}

test('I17: a ref is moved by way of the log, but for those who keep none', async () => {
  expect(await using(/\bNO_LOG\b/)).toEqual(Object.keys(WITHOUT).sort());
});

test('I17: whoever is to ask the log cannot forget it', async () => {
  expect(await using(/\blog\?: (?:LogGate|ReleaseLog)\b|\blog\?\.before\b/)).toEqual([]);
});

test('I17: the index names builds that are logged', async () => {
  expect(await using(/format: BUILD_INDEX|signedAgain\(BUILD_INDEX/)).toEqual(Object.keys(INDEX).sort());
});
