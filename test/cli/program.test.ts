import { expect, test } from 'vitest';
import { optionFlag } from '../../src/cli/define.ts';
import { builtEntries, parse } from '../support/cli-entries.ts';

test('values have the names and types of the definition, with what stands for those not given', async () => {
  expect(await parse('nightly')).toMatchObject({
    command: 'nightly',
    values: { stream: undefined, force: false, until: undefined, resume: false, idFile: undefined, dryRun: false },
  });
  expect((await parse('nightly', 'centos', '--until', 'push', '--id-file', 'id')).values).toMatchObject({
    stream: 'centos',
    until: 'push',
    idFile: 'id',
  });
  const { values } = await parse('promote', '20261117_01', '--override', 'a-1-1.noarch', 'b-1-1.noarch');
  expect(values).toMatchObject({ build: '20261117_01', override: ['a-1-1.noarch', 'b-1-1.noarch'], exclude: [] });
  expect((await parse('images', '--only', 'iso,generic-cloud')).values).toMatchObject({
    build: undefined,
    only: ['iso', 'generic-cloud'],
  });
  expect((await parse('show', '20261117_01')).values).toMatchObject({ updates: true });
  expect((await parse('show', '20261117_01', '--no-updates')).values).toMatchObject({ updates: false });
  expect((await parse('lab', 'demo', '--port', '80')).values).toMatchObject({ folder: 'demo', port: 80 });
  expect((await parse('lab', 'update', 'lab', 'less', 'curl')).values).toMatchObject({ packages: ['less', 'curl'] });
});

test('an option behind the word of a command is its own, also where the command above it has one of that name', async () => {
  const entries = builtEntries();
  const shadowed = entries.flatMap((entry) => {
    const above = entries.find(({ name }) => entry.name.startsWith(`${name} `));
    return Object.entries(entry.options).flatMap(([name, data]) => {
      const other = above?.options[name];
      return other ? [{ entry, name, data, other }] : [];
    });
  });
  expect(shadowed.map(({ entry }) => entry.name)).toEqual(expect.arrayContaining(['log show', 'builders check']));
  for (const { entry, name, data, other } of shadowed) {
    expect([data.kind, other.kind]).toEqual(['flag', 'flag']);
    const words = Object.values(entry.arguments).map(() => '20261117_01');
    const needed = Object.entries(entry.options).filter(([, { required }]) => required);
    const given = needed.flatMap(([one, about]) => [optionFlag(one, about), about.choices?.[0] ?? 'x']);
    const parsed = await parse(...entry.name.split(' '), ...words, ...given, optionFlag(name, data));
    expect([parsed.command, parsed.values?.[name]]).toEqual([entry.name, true]);
  }
});

test('a global option counts before the command and after it', async () => {
  const expected = { config: 'a.yaml', logFormat: 'json' };
  expect((await parse('-c', 'a.yaml', '--log-format', 'json', 'list')).globals).toMatchObject(expected);
  expect((await parse('list', '--config=a.yaml', '--log-format', 'json')).globals).toMatchObject(expected);
  expect((await parse('keys', 'show', '-c', 'a.yaml', '--log-format=json')).globals).toMatchObject(expected);
});

test.each([
  [['nightly', '--dryrun'], 'Did you mean --dry-run?'],
  [['nightly', '--log-fromat', 'json'], 'Did you mean --log-format?'],
  [['nighly'], 'Did you mean nightly?'],
  [['keys', 'shw'], 'Did you mean show?'],
  [['nightly', '--until', 'pus'], 'Allowed choices are resolve, compose, push. Did you mean "push"?'],
  [['--log-format', 'jsn', 'list'], 'Allowed choices are auto, plain, quiet, verbose, json. Did you mean "json"?'],
])('%j is refused with the nearest that there is', async (words, said) => {
  const { printed, command } = await parse(...words);
  expect(command).toBeUndefined();
  expect(printed).toContain(said);
});

test.each([
  [['promote'], "missing required argument 'BUILD'"],
  [['approve', '20261117_01'], "required option '--by <NAME>' not specified"],
  [['lab', 'demo', '--port', 'http'], 'It must be a whole number.'],
  [['list', 'more'], 'too many arguments'],
])('%j is refused before the command runs', async (words, said) => {
  const { printed, command } = await parse(...words);
  expect(command).toBeUndefined();
  expect(printed).toContain(said);
});
