import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { openTarget } from '../../../src/targets/open-target.ts';
import { useKeys } from '../../support/radosgw.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

it('an abort ends what is under way and what waits for a connection; the target is of use afterwards', async () => {
  const held: ServerResponse[] = [];
  const stopping = new AbortController();
  const server = createServer((_, answer) => {
    held.push(answer);
    stopping.abort(new Error('stopped by the test'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  useKeys({ accessKey: 'KEY', secretKey: 'secret' });
  const target = openTarget({
    ...{ type: 's3', name: 'silent', bucket: 'bucket', prefix: '', region: 'us-east-1', parallel: 1 },
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    url: 'http://127.0.0.1:1',
  });
  const dir = temporaryFolder();
  const task = testTask(dir, stopping.signal);
  // Nothing is answered: each would wait for a minute. One has the only connection.
  const reads = await Promise.allSettled(['a', 'b', 'c'].map((path) => target.read(path, task)));
  expect(reads.map((read) => read.status === 'rejected' && read.reason.message)).toEqual(
    Array(3).fill('stopped by the test'),
  );
  expect(held.length).toBeGreaterThan(0);

  server.removeAllListeners('request');
  server.on('request', (_, answer) => answer.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>'));
  expect(await target.read('a', testTask(dir))).toBeUndefined();
}, 15_000);
