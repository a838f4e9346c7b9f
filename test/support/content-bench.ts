import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { type BenchKey, makeBenchKey } from './bench-key.ts';
import { makeCertificate } from './certificate.ts';
import { type KojiHub, type KojiHubOptions, startKojiHub } from './koji-hub.ts';
import { buildForKoji, type MadeBuild } from './koji-material.ts';
import { MODEL, modelName, rpmRenamer } from './many-rpms.ts';
import { serveFolder } from './nginx.ts';

/** A stand-in hub, a folder behind nginx, and a configuration that publishes a SIG's tags there. */
export interface ContentBench {
  readonly hub: KojiHub;
  readonly key: BenchKey;
  readonly config: Config;
  /** Folder of the target. */
  readonly published: string;
  stop(): Promise<void>;
}

/** @param options.push whether repositories are sent */
export async function startContentBench(
  dir: string,
  { push, publish }: { readonly push: boolean } & Pick<KojiHubOptions, 'publish'>,
): Promise<ContentBench> {
  const [published, topdir, configFile] = [join(dir, 'published'), join(dir, 'koji'), join(dir, 'atomic-nightly.yaml')];
  for (const folder of [published, topdir]) await mkdir(folder);
  const certificate = await makeCertificate(dir);
  const hub = await startKojiHub({
    topdir,
    tls: { ...certificate, clientCa: certificate.file },
    ...(publish && { publish }),
  });
  hub.users.set('127.0.0.1', { id: 2, name: 'signer', permissions: ['sign'] });
  const [server, key] = await Promise.all([serveFolder({ root: published }), makeBenchKey(dir)]);
  await writeFile(join(dir, 'host.yaml'), '{}');
  await writeFile(
    configFile,
    `name: bench
targets: {mirror: {type: directory, path: ${published}, url: "${server.url}"}}
streams: {nightly: {treefile: host.yaml, targets: [mirror]}}
koji:
  server: ${hub.server}
  topurl: ${hub.topurl}
  cert-file: ${certificate.file}
  key-file: ${certificate.keyFile}
  ca-file: ${certificate.file}
content:
  keys: {storage: {type: openpgp, key-file: ${key.keyFile}}}
  rules:
    - tags: <sig><release>-<project>-release
      level: release
      target: mirror
      path: SIGs/<release>/<sig>/<arch>/<project>
      debuginfo: {target: mirror, path: debug/<release>/<sig>/<arch>/<project>}
      source: {target: mirror, path: source/<release>/<sig>/<project>}
  push: ${push}
  poll: 1h
  quiet: 1s
  longest-wait: 30s
`,
  );
  return {
    ...{ hub, key, published, config: await loadConfig(configFile) },
    async stop() {
      await server.stop();
      await hub.close();
      await key.stop();
    },
  };
}

/** Makes builds of five RPMs each: source, two of an architecture, one of none, debuginfo. */
export async function manyBuilds(dir: string, count: number): Promise<MadeBuild[]> {
  const model = await buildForKoji(join(dir, 'model'), MODEL, { also: 'devel' });
  const rpms = await Promise.all(
    model.files.map(async (file) => ({ file: basename(file), rename: await rpmRenamer(file) })),
  );
  const builds: MadeBuild[] = [];
  for (let index = 0; index < count; index += 1) {
    const name = modelName(index);
    const files: string[] = [];
    for (const { file, rename } of rpms) {
      const path = join(dir, name, file.replace(MODEL, name));
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, rename(name));
      files.push(path);
    }
    builds.push({ ...model, name, files });
  }
  return builds;
}

/** Copies the files of a build into a folder. @returns where they are */
export async function copyBuild({ files }: MadeBuild, folder: (file: string) => string): Promise<string[]> {
  const copies = files.map((file) => join(folder(basename(file)), basename(file)));
  for (const [at, copy] of copies.entries()) {
    await mkdir(dirname(copy), { recursive: true });
    await copyFile(files[at] ?? '', copy);
  }
  return copies;
}
