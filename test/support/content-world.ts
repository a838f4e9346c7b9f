import { writeFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quietTask } from '../../src/base/task.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { findTags } from '../../src/content/find-tags.ts';
import { kojiConnection } from '../../src/content/open-koji.ts';
import { tagFolder } from '../../src/content/tag-state.ts';
import { openHub } from '../../src/koji/open-hub.ts';
import { type ContentOutcome, syncContent } from '../../src/pipelines/content.ts';
import { localRepository, REPOMD, readPackageDigests } from '../../src/rpm/repository/package-digests.ts';
import { createRunner } from '../../src/run/runner.ts';
import { makeCertificate } from './certificate.ts';
import { addTag } from './koji-admin.ts';
import { type KojiHub, startKojiHub } from './koji-hub.ts';
import { type FileKey, makeFileKey } from './openpgp-key.ts';

export const RELEASE = 'storage8-ceph-release';
export const TESTING = 'storage8-ceph-testing';

/** A hub with two tags, the key of their SIG, a folder that is published, and a configuration that has them. */
export interface ContentWorld {
  readonly hub: KojiHub;
  readonly key: FileKey;
  readonly configFile: string;
  readonly config: Config;
  /** Folder of the target. */
  readonly published: string;
  /** Makes the repositories of a tag, as `content sync TAG` does, and shows the steps that were done. */
  sync(tag?: string, options?: Partial<SyncOptions>): Promise<ContentOutcome & { readonly lines: readonly string[] }>;
  /** Returns a file below the folder of a tag in the work folder. */
  file(tag: string, ...path: string[]): string;
}

interface SyncOptions {
  readonly push: boolean;
  readonly acceptRemovals: boolean;
  /** Seconds since the epoch. */
  readonly now: number;
}

/**
 * @param options.more blocks of the configuration
 * @param options.target what the target is, but for its URL; default: the folder
 */
export async function contentWorld(
  dir: string,
  { url = 'http://127.0.0.1:1', more = '', target = `type: directory, path: ${join(dir, 'published')}` } = {},
): Promise<ContentWorld> {
  const certificate = await makeCertificate(dir);
  const topdir = join(dir, 'koji');
  await mkdir(topdir, { recursive: true });
  const hub = await startKojiHub({ topdir, tls: { ...certificate, clientCa: certificate.file } });
  hub.users.set('127.0.0.1', { id: 2, name: 'signer', permissions: ['sign'] });
  await hub.transaction((state) => {
    addTag(state, RELEASE, 'x86_64 aarch64');
    addTag(state, TESTING, 'x86_64');
  });
  const key = await makeFileKey(dir, { name: 'storage' });
  const published = join(dir, 'published');
  const configFile = join(dir, 'atomic-nightly.yaml');
  writeFileSync(join(dir, 'host.yaml'), '{}');
  writeFileSync(
    configFile,
    `name: lab
targets: {mirror: {${target}, url: "${url}"}}
streams: {nightly: {treefile: host.yaml, targets: [mirror]}}
koji:
  server: ${hub.server}
  topurl: ${hub.topurl}
  cert-file: ${certificate.file}
  key-file: ${certificate.keyFile}
  ca-file: ${certificate.file}
content:
  keys: {storage: {type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}}
  rules:
    - {tags: <sig><release>-<project>-testing, level: testing, target: mirror, path: test/<release>/<sig>/<arch>/<project>}
    - tags: <sig><release>-<project>-release
      level: release
      target: mirror
      path: SIGs/<release>/<sig>/<arch>/<project>
      debuginfo: {target: mirror, path: debug/<release>/<sig>/<arch>/<project>}
      source: {target: mirror, path: source/<release>/<sig>/<project>}
  keep: 1d
${more}`,
  );
  const config = await loadConfig(configFile);
  const patience = { retryMs: 5, tries: 4, offlineMs: 1, mostOfflineMs: 60_000 };
  return {
    ...{ hub, key, configFile, config, published },
    async sync(tag = RELEASE, { push = false, acceptRemovals = false, now = 1_800_000_000 } = {}) {
      const lines: string[] = [];
      // As it is written now.
      const read = await loadConfig(configFile);
      const { koji, content } = read;
      if (!koji || !content) throw new Error('the configuration has both');
      const { signal } = new AbortController();
      const logDir = join(tagFolder(config.work, tag), 'logs');
      const client = openHub({ server: koji.server, connection: kojiConnection(koji), patience }, quietTask());
      const { assigned: all } = await findTags(client, content);
      const assigned = all.find((one) => one.tag === tag);
      if (!assigned) throw new Error(`no rule is for ${tag}`);
      const journal = { entries: [], append: async () => undefined };
      const runner = createRunner({
        ...{ journal, logDir, signal },
        listen: (event) => {
          if (event.type === 'step-done') lines.push(event.step);
          if (event.type === 'step-progress' && event.done === event.total)
            lines.push(`${event.step}: all ${event.total}`);
          if (event.type === 'step-line') lines.push(`${event.step}: ${event.line}`);
        },
      });
      const of = { config: read, koji, content, assigned, hub: client, push, acceptRemovals, now };
      const outcome = await syncContent(of, runner);
      await client.close();
      return { ...outcome, lines };
    },
    file: (tag, ...path) => join(tagFolder(config.work, tag), ...path),
  };
}

/** Returns the packages that a repository's metadata names, with their digests. */
export async function namedIn(repository: string): Promise<Map<string, string>> {
  const repomd = await readFile(join(repository, REPOMD), 'utf8');
  return readPackageDigests(repomd, localRepository(repository), quietTask());
}
