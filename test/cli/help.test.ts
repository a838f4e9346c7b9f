import { expect, test } from 'vitest';
import { runCli } from '../support/world.ts';

test('every --help says what it said: options, arguments, defaults, choices and examples', async () => {
  const texts = await helpTexts([]);
  await expect(texts.map(([command, text]) => `$ ${command}\n${text}`).join('\n')).toMatchFileSnapshot(
    '../fixtures/cli/help.txt',
  );
  expect(texts.length).toBeGreaterThan(25);
});

/** The help of a command and of all below it, as [command line, text]. */
async function helpTexts(command: readonly string[]): Promise<[string, string][]> {
  const { code, stdout, stderr } = await runCli('/', [...command, '--help']);
  expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' });
  const own: [string, string] = [['atomic-nightly', ...command, '--help'].join(' '), stdout];
  const below: [string, string][] = [];
  for (const name of commandsIn(stdout)) below.push(...(await helpTexts([...command, name])));
  return [own, ...below];
}

/** The commands that a help lists, without `help` itself. */
function commandsIn(help: string): string[] {
  const [, list = ''] = /^Commands:\n((?: {2}.*\n)*)/m.exec(help) ?? [];
  return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name = '']) => name).filter((name) => name !== 'help');
}
