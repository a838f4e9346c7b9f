import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { escapePath, linkTarget } from '../../../../src/engines/dnf/tree/tmpfiles.ts';
import { run } from '../../../../src/programs/exec.ts';
import { temporaryFolder } from '../../../support/tmp.ts';

it('systemd-tmpfiles reads back the path that was written, whatever is in it (I12)', async () => {
  const name = fc
    .string({ unit: fc.constantFrom(...'ab %\'"\\$;#*[]{}~&|<>\t', 'ü'), minLength: 1, maxLength: 12 })
    .filter((text) => text !== '.' && text !== '..');
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(name, { minLength: 40, maxLength: 60 }), async (names) => {
      const root = temporaryFolder();
      for (const folder of ['etc', 'usr/lib/tmpfiles.d']) mkdirSync(join(root, folder), { recursive: true });
      const lines = ['d /var/x 0755 0 0 -', ...names.map((one) => `d ${escapePath(`/var/x/${one}`)} 0755 0 0 -`)];
      writeFileSync(join(root, 'usr/lib/tmpfiles.d/x.conf'), `${lines.join('\n')}\n`);
      await run('systemd-tmpfiles', ['--create', `--root=${root}`]);
      expect(readdirSync(join(root, 'var/x')).sort()).toEqual(names.toSorted());
    }),
    { numRuns: 5 },
  );
});

it('refuses a line break, which would end the line and begin another (I12)', () => {
  for (const write of [escapePath, linkTarget]) {
    for (const end of ['\n', '\r', '\0']) {
      expect(() => write(`/var/x${end}f /etc/evil`)).toThrow(/has a line break, which tmpfiles.d cannot have/);
    }
  }
  expect(linkTarget('../50% of $& "it"')).toBe('../50%% of $& "it"');
});
