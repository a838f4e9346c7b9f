import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { buildPaths, updateMeta } from '../../../src/build/build-store.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { startNightsOf } from '../../../src/service/content/start-nights.ts';
import { fullMeta } from '../../support/build-meta.ts';
import { temporaryFolder } from '../../support/tmp.ts';

it('a publication starts the nightly builds of the streams whose last build read it, and no others', async () => {
  const config = parseConfig(
    `name: mini
targets: {mirror: {type: directory, path: ./mirror, url: 'https://example.org/'}}
streams:
  one: {ref: a/x86_64/one, treefile: host.yaml, targets: [mirror]}
  two: {ref: a/x86_64/two, treefile: host.yaml, targets: [mirror]}
  three: {ref: a/x86_64/three, treefile: host.yaml, targets: [mirror]}
koji: {server: 'https://koji.example.org/kojihub', topurl: 'https://koji.example.org/kojifiles'}
content:
  keys: {storage: {type: openpgp, key-file: ./storage.key}}
  rules: [{tags: <sig><release>-<project>-release, level: release, target: mirror, path: <release>/<sig>/<arch>/<project>}]
`,
    join(temporaryFolder(), 'atomic-nightly.yaml'),
    { rules: false },
  );
  const urls = {
    one: 'https://example.org/7/storage/x86_64/gluster-7/',
    two: 'https://example.org/7/storage/x86_64/gluster-8/',
  };
  for (const [index, [stream, url]] of Object.entries(urls).entries()) {
    const id = `20261120_0${index + 1}`;
    const paths = buildPaths(config.work, id, 'x86_64');
    await mkdir(paths.dir, { recursive: true });
    const repositories = { sig: { url, repomd: 'a'.repeat(64), generated: '2026-11-20T00:00:00Z' } };
    const programs = { atomicNightly: '0.1.0', ostree: '2022.7' };
    await updateMeta(paths, { ...fullMeta(id), stream, inputs: { repositories, programs } });
  }
  const started: string[] = [];
  const log: string[] = [];
  const service = {
    async trigger(stream: string, from: string) {
      started.push(`${stream}: ${from}`);
      return new Date(0);
    },
  };
  await startNightsOf(config, 'storage7-gluster-7-release', service, (sentence) => void log.push(sentence));
  expect(log).toEqual([]);
  expect(started).toEqual(['one: the publication of storage7-gluster-7-release']);
});
