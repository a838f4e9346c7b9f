import { expect, test } from 'vitest';
import type { NightlyError } from '../../src/base/errors.ts';
import { KEY_NAMES } from '../../src/treefile/treefile-keys.ts';
import { refuseUnsupported, unsupportedKeys } from '../../src/treefile/unsupported.ts';
import { read } from './files.ts';

test('an engine refuses every key it does not know, with its place', async () => {
  const treefile = await read({ 'top.yaml': 'ref: a\nima: true\npackages: [bash]\nostree-layers: [overlay/x]\n' });
  const supported = new Set(['ref', 'packages'] as const);
  expect(unsupportedKeys(treefile, supported)).toMatchObject([
    { key: 'ima', place: { line: 2, column: 1 } },
    { key: 'ostree-layers', place: { line: 4 } },
  ]);
  let caught: NightlyError | undefined;
  try {
    refuseUnsupported(treefile, supported, 'dnf');
  } catch (error) {
    caught = error as NightlyError;
  }
  expect(caught?.code).toBe('unsupported');
  expect(caught?.message).toMatch(/dnf engine.*\n {2}ima \(.*top\.yaml:2:1\)\n {2}ostree-layers \(.*top\.yaml:4:1\)/);
  expect(() => refuseUnsupported(treefile, new Set(KEY_NAMES), 'dnf')).not.toThrow();
});

test('what asks for nothing, and what the reader has done, needs no support', async () => {
  const treefile = await read({
    'top.yaml':
      'edition: "2024"\nvariables: {a: 1}\nmetadata: {b: 2}\nima: false\nunits: []\nopt-usrlocal: var\nboot-location: modules\ntmp-is-dir: true\n',
  });
  expect(unsupportedKeys(treefile, new Set(['boot-location', 'tmp-is-dir']))).toEqual([]);
});
