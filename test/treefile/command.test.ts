import { join } from 'node:path';
import { expect, test } from 'vitest';
import { treefile } from '../../src/cli/commands/treefile.ts';
import { writeFiles } from './files.ts';

const FILES = {
  'top.yaml': `
include: base.json
ref: a/\${basearch}
packages: [zsh]
postprocess:
  - |
    #!/bin/sh
    set -e
    echo done
metadata: {b: [1]}
`,
  'base.json': '{"packages": ["bash"],\n "remove-from-packages": [["a", "/x"], ["a", "/y"]]}',
};

const print = (file: string, arch: string, json: boolean, out: string[]): Promise<number> =>
  treefile.run({ file, arch, json }, { config: '', logFormat: 'auto', print: (text) => void out.push(text) });

test('people see each value beside the place it came from', async () => {
  const folder = await writeFiles(FILES);
  const out: string[] = [];
  expect(await print(join(folder, 'top.yaml'), 's390x', false, out)).toBe(0);
  const lines = out
    .join('\n')
    .replaceAll(`${folder}/`, '')
    .split('\n')
    .map((line) => line.replace(/ {2,}(?=\S+:\d+:\d+$)/, ' | '));
  expect(lines.slice(0, -5)).toEqual([
    'packages: (2)',
    '  bash | base.json:1:15',
    '  zsh | top.yaml:4:12',
    'ref: a/s390x | top.yaml:3:1',
    'metadata:',
    '  b: [1] | top.yaml:10:12',
    'basearch: s390x',
    'postprocess: (1)',
    '  echo done … (3 lines) | top.yaml:6:5',
    'remove-from-packages: (2)',
    '  ["a","/x"] | base.json:2:27',
    '  ["a","/y"] | base.json:2:40',
  ]);
  expect(lines.at(-1)).toMatch(/^Digest: [0-9a-f]{64}$/);
});

test('scripts get values, origins, files and digest', async () => {
  const folder = await writeFiles(FILES);
  const out: string[] = [];
  await print(join(folder, 'top.yaml'), 'x86_64', true, out);
  expect(JSON.parse(out.join('\n'))).toMatchObject({
    path: join(folder, 'top.yaml'),
    values: { ref: 'a/x86_64', packages: ['bash', 'zsh'] },
    origins: { ref: { line: 3, column: 1 }, 'packages/bash': { file: join(folder, 'base.json'), line: 1, column: 15 } },
    files: [join(folder, 'top.yaml'), join(folder, 'base.json')],
    digest: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});
