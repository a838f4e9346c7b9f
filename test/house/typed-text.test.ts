import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';

const commands = new URL('../../src/cli/commands/', import.meta.url).pathname;

it('I12: every text that a command takes for others to read is refused with a control character in it', async () => {
  const careless: string[] = [];
  for (const file of await filesBelow(commands)) {
    const text = await readFile(join(commands, file), 'utf8');
    const taken = [...text.matchAll(/^ {4}(reason|by|note|name|email): text\(/gm)].map(([, option = '']) => option);
    const refused = [...text.matchAll(/refuseControlCharacters\(\{([^}]*)\}/g)].map(([, names = '']) => names).join();
    for (const option of taken) if (!refused.includes(option)) careless.push(`${file} ${option}`);
  }
  expect(careless).toEqual([]);
});
