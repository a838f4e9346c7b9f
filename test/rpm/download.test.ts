import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { fetchBytes } from '../../src/rpm/download.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

async function serve(answer: (response: ServerResponse) => void): Promise<string> {
  const server = createServer((_, response) => answer(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
}

/** Sends so many bytes at a time, so often. */
const drip = (bytes: number, ms: number, times: number) => (response: ServerResponse) => {
  let sent = 0;
  const timer = setInterval(() => {
    sent += 1;
    response.write(Buffer.alloc(bytes));
    if (sent < times) return;
    clearInterval(timer);
    response.end();
  }, ms);
  response.on('close', () => clearInterval(timer));
};

const fetched = async (answer: (response: ServerResponse) => void, patienceMs: number, mostBytes = 10_000_000) =>
  fetchBytes(await serve(answer), testTask(temporaryFolder()), { patienceMs, mostBytes }).then(
    ({ length }) => length,
    (error: Error) => error.message,
  );

test('K7: what goes on is waited for, however long it takes; what does not is ended with the reason', async () => {
  const began = performance.now();
  const [steady, trickle, silent] = await Promise.all([
    fetched(drip(100_000, 250, 20), 4000),
    fetched(drip(1, 200, 1000), 1000),
    fetched(() => undefined, 300),
  ]);
  expect(steady).toBe(2_000_000);
  expect(performance.now() - began).toBeGreaterThan(4000);
  expect(trickle).toMatch(/^it (sent \d+ bytes|did not answer) within 1 s$/);
  expect(silent).toBe('it did not answer within 1 s');
});

test('what has no end is not kept in memory', async () => {
  expect(await fetched(drip(60_000, 5, 1000), 30_000, 100_000)).toBe('it is longer than 100.0 kB');
});
