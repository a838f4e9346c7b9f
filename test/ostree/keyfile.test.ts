import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { keyfileGroup } from '../../src/ostree/keyfile.ts';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';

it('reads a key file as ostree does', async () => {
  const dir = temporaryFolder();
  const repo = join(dir, 'repo');
  await run('ostree', [`--repo=${repo}`, 'init', '--mode=archive']);
  const blank = fc.constantFrom('', ' ', '\t', '  ');
  const line = fc
    .tuple(
      blank,
      fc.constantFrom('mark', 'other', 'Mark'),
      blank,
      blank,
      fc.constantFrom('a', 'b c', 'x=y', '#z', ''),
      blank,
    )
    .map(([a, key, b, c, value, d]) => `${a}${key}${b}=${c}${value}${d}`);
  const other = fc.constantFrom('', '# mark=no', '[core]', '[else]', '  # mark=no', ' [core] ');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(line, other), { maxLength: 8 }), async (lines) => {
      const text = `[core]\nrepo_version=1\nmode=archive-z2\n${lines.join('\n')}\n`;
      await writeFile(join(repo, 'config'), text);
      const asked = await run('ostree', [`--repo=${repo}`, 'config', 'get', 'core.mark'], { okExitCodes: [0, 1] });
      const ours = keyfileGroup(text, 'core').get('mark');
      if (asked.exitCode === 0) expect(ours).toBe(asked.stdout.replace(/\n$/, ''));
      else if (/not start with a group|cannot be parsed|not a key-value/.test(asked.stderr)) return;
      else expect(ours).toBeUndefined();
    }),
    { numRuns: 60 },
  );
});
