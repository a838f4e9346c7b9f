import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import type { ContentStatus } from '../../src/service/content/content-service.ts';
import type { ListenerFile, ServiceControl } from '../../src/service/control.ts';
import { followHubBus, type HubBus } from '../../src/service/events/hub-bus.ts';

/** What the bus is followed with, and what came of it. @param files contents of the files that the configuration names */
export function busListener(dir: string, messages: string, files: Partial<Record<ListenerFile, string>> = {}) {
  const config = parseConfig(
    `name: mini
targets: {mirror: {type: directory, path: ./mirror, url: 'https://example.org/'}}
streams: {nightly: {treefile: host.yaml, targets: [mirror]}}
koji: {server: 'https://koji.example.org/kojihub', topurl: 'https://koji.example.org/kojifiles'}
content:
  keys: {storage: {type: openpgp, key-file: ./storage.key}}
  messages: ${messages}
  rules: [{tags: <sig><release>-<project>-release, level: release, target: mirror, path: <release>/<sig>/<arch>/<project>}]
`,
    join(dir, 'atomic-nightly.yaml'),
    { rules: false },
  );
  const heard: string[] = [];
  const log: string[] = [];
  let status: ContentStatus = { tags: [], problems: [] };
  const control: ServiceControl = {
    ...{ jobs: () => ({ waiting: 0, active: 0 }), draining: () => false, nextRuns: () => [] },
    ...{
      holder: async () => undefined,
      unreadiness: async () => [],
      keyExpiries: async () => [],
      standingProblems: async () => [],
    },
    trigger: async () => new Date(0),
    content: () => status,
    heard: (tag) => void heard.push(tag),
    askContent: async () => undefined,
    read: async (file) => files[file],
  };
  return {
    heard,
    log,
    set: (now: ContentStatus) => {
      status = now;
    },
    async follow(): Promise<HubBus> {
      const bus = await followHubBus(config, control, (sentence) => void log.push(sentence));
      if (!bus) throw new Error('no bus');
      onTestFinished(() => bus.stop());
      return bus;
    },
  };
}
