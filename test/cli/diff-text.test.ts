import { expect, test } from 'vitest';
import { fullDiff, markdownDiff, shortDiff } from '../../src/cli/diff-text.ts';
import type { BuildDiff } from '../../src/pipelines/diff-builds.ts';

/** What rpm-ostree 2020.8 writes to `pkgdiff`, with a change of every kind, and one with a name that is markup. */
const DIFF: BuildDiff = {
  from: '20261120_01',
  to: '20261121_02',
  pkgdiff: [
    ['app', 2, { PreviousPackage: ['app', '2.0-1', 'x86_64'], NewPackage: ['app', '3.0-1', 'x86_64'] }],
    ['back', 3, { PreviousPackage: ['back', '1:3-1', 'noarch'], NewPackage: ['back', '1:2-1', 'noarch'] }],
    ['gone', 1, { PreviousPackage: ['gone', '1-1', 'x86_64'] }],
    ['libstdc++_x|y', 0, { NewPackage: ['libstdc++_x|y', '1-1', 'x86_64'] }],
  ],
  kernel: { from: '6.0.0-1', to: '6.0.0-2' },
  images: { iso: { from: 1_000_000, to: 2_000_000 } },
  files: { added: 1, removed: 2, changed: 3 },
  folders: [{ path: '/usr/bin', added: 1, removed: 0, changed: 2, growth: -1500 }],
  update: { objects: 12, bytes: 3400 },
};

test('in full: packages as "rpm-ostree db diff" prints them, then the rest', () => {
  expect(fullDiff(DIFF).join('\n')).toBe(`Upgraded:
  app 2.0-1 -> 3.0-1
Downgraded:
  back 1:3-1 -> 1:2-1
Removed:
  gone-1-1.x86_64
Added:
  libstdc++_x|y-1-1.x86_64
Kernel: 6.0.0-1 -> 6.0.0-2
Files: 1 added, 2 removed, 3 changed
Update: 12 objects, 3.4 kB
Image iso: 1.0 MB -> 2.0 MB
Files by folder:
  /usr/bin: 1 added, 2 changed, -1.5 kB`);
});

test('short: one line, as "rpm-ostree status" has it', () => {
  expect(shortDiff(DIFF)).toBe('Diff: 1 upgraded, 1 downgraded, 1 removed, 1 added; Kernel: 6.0.0-1 -> 6.0.0-2');
  expect(shortDiff({ ...DIFF, pkgdiff: [], kernel: { from: '6', to: '6' } })).toBe('Diff: no packages changed');
});

test('as Markdown: a table a kind, and names that would be markup are text (I12)', () => {
  expect(markdownDiff(DIFF).join('\n')).toBe(`## 20261120_01 to 20261121_02

### Upgraded (1)

| Package | Before | Now |
|---|---|---|
| app | 2.0-1.x86\\_64 | 3.0-1.x86\\_64 |

### Downgraded (1)

| Package | Before | Now |
|---|---|---|
| back | 1:3-1.noarch | 1:2-1.noarch |

### Removed (1)

| Package | Before | Now |
|---|---|---|
| gone | 1-1.x86\\_64 |  |

### Added (1)

| Package | Before | Now |
|---|---|---|
| libstdc++\\_x\\|y |  | 1-1.x86\\_64 |

- Kernel: 6.0.0-1 -> 6.0.0-2
- Files: 1 added, 2 removed, 3 changed
- Update: 12 objects, 3.4 kB
- Image iso: 1.0 MB -> 2.0 MB`);
  expect(markdownDiff({ ...DIFF, pkgdiff: [] })).toContain('No packages changed.');
});
