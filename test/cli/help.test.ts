import { expect, test } from 'vitest';
import { inHelpOrder } from '../../src/cli/program.ts';
import { builtEntries, flagsOf, parse } from '../support/cli-entries.ts';
import { runCli } from '../support/world.ts';

test('every --help says what it said: options, arguments, defaults, choices and examples', async () => {
  const commands = inHelpOrder(builtEntries()).filter(({ hidden }) => hidden !== true);
  const texts: string[] = [];
  for (const words of [[], ...commands.map(({ name }) => name.split(' '))]) {
    const { printed, code } = await parse(...words, '--help');
    expect({ words, code }).toEqual({ words, code: 'commander.helpDisplayed' });
    texts.push(`$ ${['atomic-nightly', ...words, '--help'].join(' ')}\n${printed}`);
  }
  await expect(texts.join('\n')).toMatchFileSnapshot('../fixtures/cli/help.txt');
});

test('the program itself prints that help, without a command as an error', async () => {
  const { printed } = await parse('--help');
  expect(await runCli('/', ['--help'])).toEqual({ code: 0, stdout: printed, stderr: '' });
  expect(await runCli('/', [])).toEqual({ code: 2, stdout: '', stderr: printed });
});

test('every example is a command line that the parser takes, but for what people must write in', async () => {
  for (const { name, examples } of builtEntries()) {
    for (const example of examples) {
      const [, words] = /(?:^|[;(] ?|\n)atomic-nightly (.*?)(?: {2}.*| > .*| \| .*|\)|$)/.exec(example) ?? [];
      if (words === undefined) continue;
      const { code, command } = await parse(...shellWords(words));
      expect({ example, code }).toEqual({ example, code: undefined });
      expect(command?.startsWith(name), example).toBe(true);
    }
  }
});

test('no command has an option of the name of a global one, which would be taken by the parser', () => {
  for (const entry of builtEntries()) {
    for (const one of flagsOf(entry)) expect(['--config', '--log-format', '--version', '--help']).not.toContain(one);
  }
});

function shellWords(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}
