import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeFileAtomic } from '../../src/base/files.ts';
import { fillDisk, mountTmpfs } from '../support/mounts.ts';
import { directoryBed } from '../support/target-beds.ts';
import { testTask } from '../support/tmp.ts';

it('I12: a disk that is full elsewhere, while a folder is locked, is not told as that of the target', async () => {
  const { dir, target } = await directoryBed();
  const [full, task] = [join(dir, 'full'), testTask(join(dir, 'logs'))];
  await mountTmpfs(full, 'size=8k');
  fillDisk(full);
  const seal = async () => {
    await writeFileAtomic(join(full, 'state.json'), '{}');
    return [];
  };
  const put = [{ path: 'log/checkpoint', content: Buffer.from('x') }];
  const swapping = target.swap({ expect: [], put, seal }, task);
  await expect(swapping).rejects.toThrow(`ENOSPC: no space left on device, write '${full}/state.json'`);
  await expect(swapping).rejects.not.toThrow('Target "dir"');
});
