import { join } from 'node:path';
import { Hono } from 'hono';
import { expect, it, onTestFinished } from 'vitest';
import { NightlyError } from '../../../src/base/errors.ts';
import { makeFolder } from '../../../src/base/files.ts';
import { parseConfig } from '../../../src/config/load.ts';
import type { ServiceControl } from '../../../src/service/control.ts';
import { serveHttp } from '../../../src/service/http/http-server.ts';
import { serviceMetrics } from '../../../src/service/http/metrics.ts';
import { serviceApp } from '../../../src/service/http/service-app.ts';
import { makeToken } from '../../../src/service/http/token.ts';
import { openWork } from '../../../src/service/live/work-folder.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const TAG = 'storage7-gluster-7-release';

it('a tag is processed again on request, with a token; the numbers say what waits', async () => {
  const config = parseConfig(
    `name: mini
targets: {mirror: {type: directory, path: ./mirror, url: 'https://example.org/'}}
streams: {nightly: {treefile: host.yaml, targets: [mirror]}}
service: {trigger: {token-hash-file: ./hashes}}
`,
    join(temporaryFolder(), 'atomic-nightly.yaml'),
    { rules: false },
  );
  const { token, hash } = makeToken();
  const asked: string[] = [];
  const control: ServiceControl = {
    ...{ jobs: () => ({ waiting: 0, active: 0 }), draining: () => false, nextRuns: () => [] },
    ...{
      holder: async () => undefined,
      unreadiness: async () => [],
      keyExpiries: async () => [],
      standingProblems: async () => [],
    },
    trigger: async () => new Date(0),
    content: () => ({
      tags: [{ tag: TAG, running: false, failures: 2, due: 5000 }],
      problems: [],
      awaySince: 1000,
      comparedAt: 3000,
    }),
    heard: () => undefined,
    async askContent(tag) {
      if (tag !== TAG) throw new NightlyError('usage', 'No rule is for it.');
      asked.push(tag);
    },
    read: async () => `${hash}  one\n`,
  };
  await makeFolder(config.work);
  const work = openWork(config.work);
  const busCounts = () => ({ connected: true, received: 301, dropped: 1 });
  const metrics = serviceMetrics(config, { work, control, busCounts });
  const app = serviceApp(config, control, { pages: new Hono(), work, log: () => undefined }, metrics);
  const server = await serveHttp(app, { host: '127.0.0.1', port: 0 });
  onTestFinished(() => server.stop());
  const post = async (tag: string, headers = {}) => {
    const answer = await fetch(`${server.url}/trigger/content/${tag}`, { method: 'POST', headers });
    return [answer.status, await answer.json()];
  };
  const known = { authorization: `Bearer ${token}` };
  expect(await post(TAG)).toEqual([401, { error: 'a known token is needed' }]);
  expect(await post('dist-foo', known)).toEqual([404, { error: 'no rule is for that tag' }]);
  expect(await post('..%2F..%2Fetc', known)).toEqual([404, { error: 'no rule is for that tag' }]);
  expect(asked).toEqual([]);
  expect(await post(TAG, known)).toEqual([202, { tag: TAG }]);
  expect(asked).toEqual([TAG]);

  const numbers = (await (await fetch(`${server.url}/metrics`)).text()).split('\n');
  expect(numbers).toEqual(
    expect.arrayContaining([
      'atomic_nightly_koji_up 0',
      'atomic_nightly_content_compared_timestamp_seconds 3',
      'atomic_nightly_content_tags_waiting 1',
      `atomic_nightly_content_tag_failures{tag="${TAG}"} 2`,
      `atomic_nightly_content_tag_due_timestamp_seconds{tag="${TAG}"} 5`,
      'atomic_nightly_content_bus_connected 1',
      'atomic_nightly_content_bus_messages 301',
      'atomic_nightly_content_bus_dropped 1',
    ]),
  );
});
