import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';

/** Ways in which a file that should hold a record may be damaged. */
export const DAMAGE: readonly (readonly [how: string, spoil: (path: string) => void])[] = [
  ['empty', (path) => writeFileSync(path, '')],
  ['cut short', (path) => writeFileSync(path, '{"buildid": "2026')],
  ['garbage', (path) => writeFileSync(path, '\0\0\u0001<html>')],
  ['null', (path) => writeFileSync(path, 'null')],
  ['of other types', (path) => writeFileSync(path, '{"buildid": 1, "pid": "x", "jobs": {}, "images": []}')],
  [
    'a folder',
    (path) => {
      rmSync(path, { force: true });
      mkdirSync(path, { recursive: true });
    },
  ],
  [
    'a FIFO',
    (path) => {
      rmSync(path, { force: true });
      execFileSync('mkfifo', [path]);
    },
  ],
  [
    'a link to a device without an end',
    (path) => {
      rmSync(path, { force: true });
      symlinkSync('/dev/zero', path);
    },
  ],
];
