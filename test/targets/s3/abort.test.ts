import type { ServerResponse } from 'node:http';
import { expect, it } from 'vitest';
import { s3ServedBy } from '../../support/s3-served.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

it('an abort ends what is under way and what waits for a connection; the target is of use afterwards', async () => {
  const held: ServerResponse[] = [];
  const stopping = new AbortController();
  const { target, server } = await s3ServedBy((_, answer) => {
    held.push(answer);
    stopping.abort(new Error('stopped by the test'));
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
