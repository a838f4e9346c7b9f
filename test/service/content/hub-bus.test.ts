import { expect, it, vi } from 'vitest';
import { run } from '../../../src/programs/exec.ts';
import { busListener } from '../../support/bus-listener.ts';
import { startMosquitto } from '../../support/mosquitto.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const TAG = 'storage7-gluster-7-release';
const until = (check: () => void) => vi.waitFor(check, { timeout: 60_000, interval: 20 });

it('C2: messages are hints, 300 of a tag at once are few of them; what names no tag is dropped, counted and logged', async () => {
  const dir = temporaryFolder();
  const broker = await startMosquitto(dir);
  const port = new URL(broker.url).port;
  const { follow, heard, log } = busListener(dir, `{broker: '${broker.url}'}`);
  const bus = await follow();
  await until(() => expect(log).toContain(`content: connected to ${broker.url}`));
  const lines = Array.from({ length: 300 }, () => JSON.stringify({ action: 'postTag', tag: TAG }));
  const publish = ['-h', '127.0.0.1', '-p', port, '-q', '2', '-t', 'koji'];
  await run('mosquitto_pub', [...publish, '-l'], { input: `${lines.join('\n')}\n` });
  await run('mosquitto_pub', [...publish, '-m', '{"tag": "../../etc/passwd"}']);
  await until(() => expect(bus.counts()).toEqual({ connected: true, received: 301, dropped: 1 }));
  await until(() => expect(heard.length).toBeGreaterThan(1));
  expect(new Set(heard)).toEqual(new Set([TAG]));
  expect(heard.length).toBeLessThan(30);
  expect(log.at(-1)).toBe(`content: a message on ${broker.url} was dropped: it names no tag`);
});

it('what was sent while the service was down is heard when it is back: the session is persistent', async () => {
  const dir = temporaryFolder();
  const broker = await startMosquitto(dir);
  const { follow, heard, log } = busListener(dir, `{broker: '${broker.url}', topic: 'koji/+'}`);
  const first = await follow();
  await until(() => expect(log).toHaveLength(1));
  await first.stop();
  const body = JSON.stringify({ build_id: 1, tag: TAG });
  const args = ['-h', '127.0.0.1', '-p', new URL(broker.url).port, '-q', '2', '-m', body];
  await run('mosquitto_pub', [...args, '-t', 'koji/tag']);
  expect(heard).toEqual([]);
  await follow();
  await until(() => expect(heard).toEqual([TAG]));
});

it('the beginning and the end of the processing of a tag are told as the signing service of CBS did', async () => {
  const dir = temporaryFolder();
  const broker = await startMosquitto(dir);
  const { follow, log, set } = busListener(dir, `{broker: '${broker.url}', status-topic: cbs-signing}`);
  await follow();
  await until(() => expect(log).toHaveLength(1));
  const waiting = { tag: 'cloud8s-openstack-yoga-release', running: false, failures: 0, due: 1 };
  set({ tags: [waiting, { tag: TAG, running: true, failures: 0 }], problems: [] });
  const told = () => broker.heard.filter((line) => line.includes('cbs-signing'));
  await until(() => expect(told()).toHaveLength(1));
  set({ tags: [], problems: [] });
  await until(() => expect(told()).toHaveLength(2));
  const [begins, ends] = told().map((line) => JSON.parse(line.slice(line.indexOf('{'))));
  expect(begins).toEqual({
    time: expect.stringMatching(/^\d{8}-\d\d:\d\d:\d\d$/),
    tag: TAG,
    status: 'processing',
    jobs_in_queue: '1',
  });
  expect(ends).toMatchObject({ tag: TAG, status: 'processed', jobs_in_queue: '0' });
});
