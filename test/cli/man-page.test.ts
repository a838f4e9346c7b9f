import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { MAN_PAGE, manPage } from '../../scripts/man-page.ts';
import { run } from '../../src/programs/exec.ts';
import { builtEntries, flagsOf } from '../support/cli-entries.ts';

test('the man page is current', async () => {
  // Otherwise: npx tsx scripts/man-page.ts
  expect(await readFile(MAN_PAGE, 'utf8')).toBe(manPage(builtEntries()));
});

test('the man page is faultless for mandoc and for man, and shows every command and option', async () => {
  const { stdout: faults } = await run('mandoc', ['-Tlint', '-Wwarning', MAN_PAGE]);
  expect(faults).toBe('');
  const env = { MANWIDTH: '100', MAN_KEEP_FORMATTING: '', LC_ALL: 'C.UTF-8' };
  const { stdout, stderr } = await run('man', ['--warnings', '--local-file', MAN_PAGE], { env });
  expect(stderr).toBe('');
  for (const entry of builtEntries()) {
    if (entry.hidden === true) continue;
    const title = new RegExp(`^ {3}atomic-nightly ${entry.name}(?: [[<A-Z].*)?\\n([^]*?)^ {0,3}\\S`, 'm');
    const [, section] = title.exec(stdout) ?? [];
    expect(section, entry.name).toBeDefined();
    for (const flag of flagsOf(entry)) expect(section, entry.name).toMatch(new RegExp(`^ +(?:-\\w, )?${flag}\\b`, 'm'));
    for (const { value } of Object.values(entry.arguments))
      expect(section, entry.name).toMatch(new RegExp(`^ +${value}\\b`, 'm'));
  }
});
