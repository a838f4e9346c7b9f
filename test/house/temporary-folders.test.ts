import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';

const src = new URL('../../src', import.meta.url).pathname;
const tests = new URL('..', import.meta.url).pathname;

/** Who may ask where the system's temporary folder is: who names folders in it, who only names it, an empty home that stays so. */
const MAY = ['base/temporary.ts', 'programs/pipes.ts', 'engines/dnf/dnf-engine.ts'];

test('K20: what is made in the temporary folder bears the name by which the next run removes what a killed one left', async () => {
  const files = (await filesBelow(src)).filter((file) => file.endsWith('.ts'));
  const asking: string[] = [];
  for (const file of files) if (/\btmpdir\(/.test(await readFile(join(src, file), 'utf8'))) asking.push(file);
  expect(asking.sort()).toEqual([...MAY].sort());
});

test('folders that tests of a file share are asked for beside them: vitest runs nothing that is to come after all and was named in a hook', async () => {
  const files = (await filesBelow(tests)).filter((file) => file.endsWith('.ts'));
  const wrong: string[] = [];
  for (const file of files) {
    const hooks = (await readFile(join(tests, file), 'utf8')).split(/^ *(?:before|after)(?:All|Each)\(/m).slice(1);
    if (hooks.some((hook) => (hook.split(/^ *\}.*\);$/m)[0] ?? '').includes('sharedFolder()'))) wrong.push(file);
  }
  expect(wrong).toEqual([]);
});
