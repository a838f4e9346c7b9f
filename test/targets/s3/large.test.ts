import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { MOST_READ_BYTES } from '../../../src/base/read-limit.ts';
import { openTarget } from '../../../src/targets/open-target.ts';
import { useKeys } from '../../support/radosgw.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

it('K18: an object that is larger than any record is named, and not read into memory', async () => {
  let sent = 0;
  const part = Buffer.alloc(1 << 20);
  const server = createServer((_, answer) => {
    answer.writeHead(200, { 'content-length': MOST_READ_BYTES + 1, etag: '"x"' });
    const send = (): void => {
      sent += part.length;
      if (!answer.destroyed) answer.write(part, send);
    };
    send();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  useKeys({ accessKey: 'KEY', secretKey: 'secret' });
  const target = openTarget({
    ...{ type: 's3', name: 'full', bucket: 'bucket', prefix: '', region: 'us-east-1', parallel: 1 },
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    url: 'http://127.0.0.1:1',
  });
  await expect(target.read('builds/builds.json', testTask(temporaryFolder()))).rejects.toMatchObject({
    code: 'target-unreachable',
    message: 'Target "full" has more than 134.2 MB of data where a file should be: builds/builds.json',
  });
  expect(sent).toBeLessThan(MOST_READ_BYTES);
});
