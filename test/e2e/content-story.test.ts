import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { connectAsync } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import { ifThere } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { makeCertificate } from '../support/certificate.ts';
import { addTag, tagBuild, untagBuild } from '../support/koji-admin.ts';
import { startKojiHub } from '../support/koji-hub.ts';
import { buildForKoji, importBuilds } from '../support/koji-material.ts';
import { MINI_TREEFILE } from '../support/mini-distro.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { makeFileKey } from '../support/openpgp-key.ts';
import { configureService, endService, startServe } from '../support/service.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { makeWorld, pulled, records } from '../support/world.ts';

const TAG = 'storage8-tools-release';
const PLACE = 'SIGs/8/storage/x86_64/tools';

/**
 * From a tag in koji to a published commit, with nobody doing anything but tagging: the hub says so before it commits, the
 * service signs the packages, publishes the repository, and starts the nightly build of the stream that composes from it.
 * `E2E_OUTPUT` keeps what the service said and its pages.
 */
test('a build that is tagged in koji is in the next nightly build; untagged it is gone from the repository', async () => {
  const world = await makeWorld(temporaryFolder());
  onTestFinished(() => world.stop());
  const { dir, distro, published, url } = world;
  const broker = await startMosquitto(dir);
  const client = await connectAsync(broker.url);
  onTestFinished(() => client.endAsync());
  const certificate = await makeCertificate(dir);
  const topdir = join(dir, 'koji');
  await mkdir(topdir);
  const hub = await startKojiHub({
    topdir,
    tls: { ...certificate, clientCa: certificate.file },
    publish: async (payload) => void (await client.publishAsync('koji', payload, { qos: 2 })),
  });
  onTestFinished(() => hub.close());
  hub.users.set('127.0.0.1', { id: 2, name: 'signer', permissions: ['sign'] });
  await hub.transaction((state) => void addTag(state, TAG, 'x86_64'));
  const builds = await Promise.all(
    ['1.0', '2.0'].map((version) =>
      buildForKoji(join(dir, `tools-${version}`), 'tools', { version, content: version }),
    ),
  );
  await importBuilds(hub, builds);

  // The stream composes from its own repository and from the SIG's, whose packages and metadata it checks.
  const key = await makeFileKey(dir, { name: 'storage' });
  const folder = dirname(distro.treefile);
  await distro.writeTreefile({
    repos: ['mini', 'tools'],
    packages: [...(MINI_TREEFILE['packages'] as string[]), 'tools', 'tools-common'],
  });
  const checks = `gpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://${key.publicKeyFile}`;
  await writeFile(join(folder, 'tools.repo'), `[tools]\nname=tools\nbaseurl=${url}/${PLACE}/\nenabled=1\n${checks}\n`);
  const config = await readFile(world.config, 'utf8');
  await writeFile(
    world.config,
    `${config}
koji: {server: '${hub.server}', topurl: '${hub.topurl}', cert-file: ${certificate.file}, key-file: ${certificate.keyFile}, ca-file: ${certificate.file}}
content:
  keys: {storage: {type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}}
  rules: [{tags: <sig><release>-<project>-release, level: release, target: buildlogs, path: SIGs/<release>/<sig>/<arch>/<project>}]
  messages: {broker: '${broker.url}', status-topic: cbs-signing}
  quiet: 1s
  longest-wait: 20s
  poll: 1h
`,
  );
  await configureService(world, ['trigger: {debounce: 1s}']);
  const service = await startServe(world);
  onTestFinished(() => endService(service, world));
  await service.until(`connected to ${broker.url}`);

  /** What the repository's metadata names now; empty before there is any. */
  const primary = async (): Promise<string> => {
    const repomd = (await ifThere(readFile(join(published, PLACE, 'repodata/repomd.xml'), 'utf8'))) ?? '';
    const href = /href="(repodata\/[^"]*primary\.xml[^"]*)"/.exec(repomd)?.[1];
    if (href === undefined) return '';
    return (await run('sh', ['-c', 'zcat -f "$1"', 'sh', join(published, PLACE, href)])).stdout;
  };

  // The message comes seconds before the hub commits: what is looked at first has not changed.
  await hub.transaction(async (state, say) => tagBuild(state, TAG, 'tools-1.0-1.el8', say), 3000);
  await until(async () => (await primary()).includes('tools-1.0-1.el8'));
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });

  await hub.transaction(async (state, say) => {
    await tagBuild(state, TAG, 'tools-2.0-1.el8', say);
    await untagBuild(state, TAG, 'tools-1.0-1.el8', say);
  }, 3000);
  await service.until('asked for by the publication of', 600);
  // One that finds nothing new may be between: the first publication is told when the first build has begun.
  await service.until(/build \d+_0[23] complete/, 600);
  const complete = (await records(world)).filter((meta) => meta['atomic-nightly.state'] === 'complete');
  const [first, second] = complete;
  expect(complete).toHaveLength(2);
  expect(second?.['pkgdiff']).toMatchObject(
    expect.arrayContaining([expect.arrayContaining(['tools']), expect.arrayContaining(['tools-common'])]),
  );
  const client2 = join(dir, 'client');
  const commit = await pulled(world, client2);
  expect(commit).toBe(second?.['ostree-commit']);
  expect(commit).not.toBe(first?.['ostree-commit']);
  const text = await run('ostree', [`--repo=${client2}`, 'cat', commit, '/usr/share/tools/file']);
  expect(text.stdout).toBe('2.0\n');

  // Untagged: gone from the metadata at once, in a repository that is still signed.
  await hub.transaction(async (state, say) => untagBuild(state, TAG, 'tools-2.0-1.el8', say), 3000);
  await until(async () => (await primary()).includes('packages="0"'));

  const told = broker.heard.filter((line) => line.includes('cbs-signing'));
  expect(told.some((line) => line.includes('"processing"'))).toBe(true);
  expect(told.some((line) => line.includes('"processed"'))).toBe(true);
  const page = await (await fetch(`${service.url}/content/${TAG}/`)).text();
  expect(page).toMatch(/added <code>tools-2\.0-1\.el8\.x86_64\.rpm<\/code> \(alice\)/);
  const output = process.env['E2E_OUTPUT'];
  if (output !== undefined) {
    await mkdir(output, { recursive: true });
    await writeFile(join(output, 'content-story.log'), service.said());
    await writeFile(join(output, 'content-tag.html'), page);
    await writeFile(join(output, 'content.html'), await (await fetch(`${service.url}/content/`)).text());
  }
}, 1_800_000);
