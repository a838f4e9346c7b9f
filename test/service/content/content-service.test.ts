import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { NightlyError } from '../../../src/base/errors.ts';
import type { Config } from '../../../src/config/config.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { type ContentService, startContent } from '../../../src/service/content/content-service.ts';
import type { Polled, SeenByPoll } from '../../../src/service/content/poll-hub.ts';
import type { TagOutcome } from '../../../src/service/content/run-sync.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const A = 'storage7-gluster-7-release';
const NOTHING: SeenByPoll = { event: 1, rows: new Set() };
const B = 'cloud8s-openstack-yoga-release';

function configured(): Config {
  const config = parseConfig(
    `name: mini
targets: {mirror: {type: directory, path: ./mirror, url: 'https://example.org/'}}
streams: {nightly: {treefile: host.yaml, targets: [mirror]}}
koji: {server: 'https://koji.example.org/kojihub', topurl: 'https://koji.example.org/kojifiles'}
content:
  keys: {storage: {type: openpgp, key-file: ./storage.key}, cloud: {type: openpgp, key-file: ./cloud.key}}
  rules: [{tags: <sig><release>-<project>-release, level: release, target: mirror, path: <release>/<sig>/<arch>/<project>}]
`,
    join(temporaryFolder(), 'atomic-nightly.yaml'),
    { rules: false },
  );
  if (!config.content) throw new Error('no content');
  return { ...config, content: { ...config.content, quietSeconds: 0.05, longestWaitSeconds: 0.3, pollSeconds: 0.1 } };
}

/** A service whose syncs and polls are those of the test. */
function started(parts: {
  readonly sync?: (tags: readonly string[] | 'all') => Promise<TagOutcome[]>;
  readonly poll?: (before: SeenByPoll | undefined) => Promise<Polled>;
}): {
  readonly service: ContentService;
  readonly log: string[];
  readonly synced: string[];
  readonly published: string[];
} {
  const log: string[] = [];
  const synced: string[] = [];
  const published: string[] = [];
  const service = startContent(configured(), (sentence) => void log.push(sentence), {
    sync: async (_, tags) => {
      synced.push(...(tags === 'all' ? ['all'] : tags));
      return parts.sync?.(tags) ?? [];
    },
    poll: async (_, before) => parts.poll?.(before) ?? { seen: NOTHING, changed: [] },
    onPublished: (tag) => void published.push(tag),
  });
  if (!service) throw new Error('no content');
  onTestFinished(() => service.drain());
  return { service, log, synced, published };
}

const ended = (tag: string, state: TagOutcome['state']): TagOutcome => ({ tag, state });
const until = (check: () => void) => vi.waitFor(check, { timeout: 60_000, interval: 10 });

it('at the start all tags are compared, which is the backlog; those that failed are tried again by themselves', async () => {
  const { synced, published } = started({
    sync: async (tags) => (tags === 'all' ? [ended(A, 'published'), ended(B, 'failed')] : [ended(B, 'published')]),
  });
  await until(() => expect(published).toEqual([A, B]));
  expect(synced).toEqual(['all', B]);
});

it('C2: a message leads to a look at the tag, and to more of them: the hub commits after it was sent', async () => {
  const looks: number[] = [];
  const { service, published } = started({
    sync: async (tags) => {
      if (tags === 'all') return [];
      looks.push(looks.length);
      return [ended(A, looks.length === 3 ? 'published' : 'unchanged')];
    },
  });
  for (let count = 0; count < 300; count += 1) service.heard(A);
  service.heard('no-rule-is-for-this');
  await until(() => expect(published).toEqual([A]));
  await until(() => expect(service.status().tags).toEqual([]));
  expect(looks.length).toBeLessThan(8);
});

it('what sent no message is found by the poll; a hub that is away is reported once, and everything else continues', async () => {
  let away = true;
  const { log, synced, service } = started({
    sync: async (tags) => (tags === 'all' ? [] : [ended(A, 'published')]),
    async poll(before) {
      if (before !== undefined && away) throw new NightlyError('koji-unreachable', 'The hub does not answer.');
      return { seen: NOTHING, changed: before === undefined || away ? [] : [A] };
    },
  });
  await until(() => expect(service.status().awaySince).toBeDefined());
  await sleep(300);
  expect(log.filter((line) => line.includes('does not answer'))).toHaveLength(1);
  away = false;
  await until(() => expect(synced).toContain(A));
  expect(service.status().awaySince).toBeUndefined();
  expect(log).toContain('content: the hub answers again');
});

it('C9: a tag that hangs or fails delays no other', async () => {
  let release: () => void = () => undefined;
  const hangs = new Promise<void>((settle) => {
    release = settle;
  });
  const { service, published } = started({
    async sync(tags) {
      if (tags === 'all') return [];
      if (tags[0] === A) await hangs;
      return [ended(tags[0] ?? '', 'published')];
    },
  });
  service.ask(A, 'somebody');
  service.ask(B, 'somebody');
  await until(() => expect(published).toEqual([B]));
  expect(service.status().tags).toMatchObject([{ tag: A, running: true }]);
  release();
  await until(() => expect(published).toEqual([B, A]));
});

it('C9: a poll that hangs delays no tag', async () => {
  let answer: () => void = () => undefined;
  const hangs = new Promise<void>((settle) => {
    answer = settle;
  });
  let polls = 0;
  const { service, published } = started({
    sync: async (tags) => (tags === 'all' ? [] : [ended(tags[0] ?? '', 'published')]),
    async poll() {
      polls += 1;
      if (polls > 1) await hangs;
      return { seen: NOTHING, changed: [] };
    },
  });
  await until(() => expect(polls).toBe(2));
  service.heard(A);
  await until(() => expect(published[0]).toBe(A));
  expect(polls).toBe(2);
  answer();
});

it('a request for a tag that no rule is for is refused, and so is one to a service that stops', async () => {
  const { service } = started({});
  expect(() => service.ask('dist-foo', 'x')).toThrow('No rule of "content" is for the tag "dist-foo".');
  await service.drain();
  expect(() => service.ask(A, 'x')).toThrow('The service is stopping.');
});

it('a service that stops while the hub is asked does not wait for the next poll', async () => {
  const config = configured();
  let polls = 0;
  let answer: () => void = () => undefined;
  const hangs = new Promise<void>((settle) => {
    answer = settle;
  });
  if (!config.content) throw new Error('no content');
  // The second poll comes at once, a third one in an hour.
  Object.defineProperty(config.content, 'pollSeconds', { get: () => (polls === 0 ? 0.05 : 3600) });
  const service = startContent(config, () => undefined, {
    sync: async () => [],
    async poll() {
      polls += 1;
      if (polls === 2) await hangs;
      return { seen: NOTHING, changed: [] };
    },
    onPublished: () => undefined,
  });
  await until(() => expect(polls).toBe(2));
  const drained = service?.drain();
  answer();
  await drained;
  expect(polls).toBe(2);
}, 50_000);
