import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { z } from 'zod';

/** What the others begin with, and parts of them. */
const PARTS = ['bootstrap', 'build', 'check'];

test('every npm script sets up what it needs, so that it runs in a fresh clone', async () => {
  const { scripts } = z
    .object({ scripts: z.record(z.string(), z.string()) })
    .parse(JSON.parse(await readFile('package.json', 'utf8')));
  const setsUp = (name: string) => scripts[name]?.startsWith('npm run --silent bootstrap') === true;
  const others = Object.keys(scripts).filter((name) => !PARTS.includes(name));
  expect(others.length).toBeGreaterThan(10);
  expect(others.filter((name) => !setsUp(name) && !setsUp(`pre${name}`))).toEqual([]);
});
