import { expect, test } from 'vitest';
import { repositoryFiles, repositoryText } from '../support/repository.ts';

/** Phrases that no release engineer would write, each with what to write instead. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/\bsays so in a second\b/, 'reports that within a second'],
  [/\btells? (?:\w+ )?by mail\b/, 'notifies by mail'],
  [/\b(?:go|goes|going) back in time unasked\b/, 'no silent downgrades'],
  [/\bas a stranger does\b|\bstranger\b/, 'an anonymous client'],
  [/\bretention gives up\b/, 'retention no longer keeps'],
  [/\bends? well\b|\bended well\b/, 'succeeds, stops successfully'],
  [/\b(?:go|goes|going|gone|went) on with\b/, 'continue'],
  [/\bwhy, for the record\b/, 'reason, stored in the build record'],
  [/\btells? (?:everybody|everyone|people)\b/, 'announces'],
  [/\bthe builds, newest first\b/, 'list builds, newest first'],
  [/\bwhom the configuration tells\b/, 'notification sinks'],
  [/\b(?:that|which|one) comes? along\b/, 'built-in'],
  [/\bgoes on by itself\b/, 'keeps going detached'],
  [/\bwell again\b/, 'has recovered'],
  [/\btells nobody\b|\bnobody is told\b/, 'has no notification sinks, notifies nobody'],
  [/\bin earnest\b/, 'by the real run'],
  [/\bstands? (?:back behind|before the service)\b/, 'has priority over'],
  [/\bhas this work folder\b/, 'the work folder is locked by another run'],
  [/\bcame up in \d/, 'booted in'],
  [/\blets? us in\b/, 'accepts a login'],
  [/\bgives? the check up\b/, 'turns the check off'],
];

/** What users call a nightly build; "every night" and "at night" are times, and code may say night. */
const NIGHT = /(?<!\b(?:every|Every|at|At) |bad-)\bnights?\b/;

function found(path: string, text: string, phrases: readonly (readonly [RegExp, string])[]): readonly string[] {
  return text.split('\n').flatMap((line, index) =>
    phrases.flatMap(([phrase, instead]) => {
      const match = phrase.exec(line);
      return match ? [`${path}:${index + 1}: "${match[0]}": write "${instead}"`] : [];
    }),
  );
}

async function textsOf(folders: readonly string[], wanted: RegExp): Promise<readonly (readonly [string, string])[]> {
  const paths = (await repositoryFiles(folders)).filter((path) => wanted.test(path));
  return Promise.all(paths.map(async (path) => [path, await repositoryText(path)] as const));
}

/** Everything that users read, by path: pages of documentation, templates, and the help of every command. */
async function forUsers(): Promise<readonly (readonly [string, string])[]> {
  const pages = await textsOf(['docs'], /\.md$/);
  const templates = await textsOf(['page-templates', 'notify-templates', 'release-templates'], /\.hbs$/);
  const others = ['README.md', 'CONTRIBUTING.md', 'dist/cli/catalog.json', 'config-schema.json'];
  return [
    ...pages,
    ...templates,
    ...(await Promise.all(others.map(async (path) => [path, await repositoryText(path)] as const))),
  ];
}

test('documentation, templates, help, messages and comments use field words, not paraphrases', async () => {
  const sources = await textsOf(['src', 'jenkins', 'systemd'], /\.(?:ts|py|sh|groovy|service|timer)$|Jenkinsfile/);
  expect(sources.length).toBeGreaterThan(300);
  expect([...(await forUsers()), ...sources].flatMap(([path, text]) => found(path, text, PHRASES))).toEqual([]);
});

test('a doc comment begins with what it is about', async () => {
  const sources = await textsOf(['src'], /\.ts$/);
  const rule = [/\/\*\* (?:Of|As|For|That|Those|With|By|In|On|To|From|Not) /, 'a subject first'] as const;
  expect(sources.flatMap(([path, text]) => found(path, text, [rule]))).toEqual([]);
});

test('an exported function has a doc comment', async () => {
  const bare =
    /(?<!\*\/\n|\*\/\n\/\/ biome-ignore [^\n]*\n)^export (?:async )?(?:function\*? (\w+)|const (\w+)[^=\n]*= (?:async )?\([^\n]*=>)/gm;
  const sources = await textsOf(['src'], /\.ts$/);
  const lacking = sources.flatMap(([path, text]) =>
    [...text.matchAll(bare)].map(([, name, other]) => `${path}: ${name ?? other}`),
  );
  expect(lacking).toEqual([]);
});

test('what users read says "nightly build" where it means one', async () => {
  // docs/invariants.md is for people who work on the code.
  const texts = (await forUsers())
    .filter(([path]) => path !== 'docs/invariants.md')
    .map(([path, text]) => [path, text.replace(/`[^`\n]*`|\{\{[^}]*\}\}|"night":/g, '')] as const);
  expect(texts.flatMap(([path, text]) => found(path, text, [[NIGHT, 'nightly build']]))).toEqual([]);
});

test('a phrase that must not be there is found', () => {
  expect(found('x', 'fine\nresume goes on with the build', PHRASES)).toEqual(['x:2: "goes on with": write "continue"']);
  expect(NIGHT.test('runs every night')).toBe(false);
  expect(NIGHT.test('the last night')).toBe(true);
});
