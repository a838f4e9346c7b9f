import { expect, test } from 'vitest';
import { parseVkey } from '../../src/log/note-keys.ts';
import { parsePolicy } from '../../src/log/policy.ts';
import { repositoryFiles, repositoryText } from '../support/repository.ts';

async function pages(): Promise<readonly (readonly [string, string])[]> {
  const paths = (await repositoryFiles(['docs'])).filter((path) => path.endsWith('.md'));
  return Promise.all(paths.map(async (path) => [path, await repositoryText(path)] as const));
}

test('keys of logs and witnesses in the documentation are ones that the program takes', async () => {
  const keys = (await pages()).flatMap(([file, text]) =>
    [...text.matchAll(/[\w.-]+(?:\/[\w.-]+)*\+[0-9a-f]{8}\+[A-Za-z0-9+/]{30,}=*/g)].map(
      ([key]) => [file, key] as const,
    ),
  );
  expect(keys.length).toBeGreaterThan(5);
  for (const [file, key] of keys) expect(() => parseVkey(key, { file }), key).not.toThrow();
});

test('policies in the documentation are ones that the program takes', async () => {
  const policies = (await pages()).flatMap(([file, text]) =>
    [...text.matchAll(/^```\n(log [\s\S]*?^)```$/gm)].map(([, policy = '']) => [file, policy] as const),
  );
  // What stands for keys of others is left out there.
  const whole = policies.filter(([, policy]) => !policy.includes('…'));
  expect(whole.length).toBeGreaterThan(0);
  for (const [file, policy] of whole) expect(() => parsePolicy(Buffer.from(policy), { file }), policy).not.toThrow();
});
