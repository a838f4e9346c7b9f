import { expect, it } from 'vitest';
import { MOST_READ_BYTES } from '../../../src/base/read-limit.ts';
import { s3ServedBy } from '../../support/s3-served.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

it('K18: an object that is larger than any record is named, and not read into memory', async () => {
  let sent = 0;
  const part = Buffer.alloc(1 << 20);
  const { target } = await s3ServedBy((_, answer) => {
    answer.writeHead(200, { 'content-length': MOST_READ_BYTES + 1, etag: '"x"' });
    const send = (): void => {
      sent += part.length;
      if (!answer.destroyed) answer.write(part, send);
    };
    send();
  });
  await expect(target.read('builds/builds.json', testTask(temporaryFolder()))).rejects.toMatchObject({
    code: 'target-unreachable',
    message: 'Target "served" has more than 134.2 MB of data where a file should be: builds/builds.json',
  });
  expect(sent).toBeLessThan(MOST_READ_BYTES);
});
