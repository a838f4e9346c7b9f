import { join } from 'node:path';
import { readTextIfExists } from '../base/files.ts';

/** Image types of the lab. The first is made by the first nightly build, and upgraded to the second. */
export const DEMO_IMAGES: readonly string[] = ['generic-cloud', 'vagrant-libvirt', 'vagrant-virtualbox', 'iso'];

/** Seconds a boot may take; software emulation on a busy machine needs them. */
export const BOOT_SECONDS = 600;

/** What a demo folder is, apart from what it makes. */
export interface DemoFolder {
  readonly config: string;
  readonly lab: string;
  readonly published: string;
  readonly port: number;
  /** Where live pages are served. */
  readonly livePort: number;
  /** Where what is published is read, without a slash at the end. */
  readonly url: string;
  /** Whether a demo began here before; it is continued with its configuration. */
  readonly isBegun: boolean;
}

/**
 * Reads which demo is in a folder. Ports stay what they were: hosts of builds made before upgrade from there.
 * @param ports to be used in a new folder
 */
export async function demoFolder(dir: string, ports: Pick<DemoFolder, 'port' | 'livePort'>): Promise<DemoFolder> {
  const config = join(dir, 'atomic-nightly.yaml');
  const before = (await readTextIfExists(config)) ?? '';
  // One of a version that published with another web server, or kept no log, is written again.
  const isBegun = before.includes('\n    serve: true\n') && before.includes('\nlog:');
  const port = recordedPort(before, /^ {4}url: http:\/\/127\.0\.0\.1:(\d+)$/m) ?? ports.port;
  const livePort = recordedPort(before, /^ {2}listen: 127\.0\.0\.1:(\d+)$/m) ?? ports.livePort;
  const url = `http://127.0.0.1:${port}`;
  return { config, lab: join(dir, 'lab'), published: join(dir, 'published'), port, livePort, url, isBegun };
}

function recordedPort(config: string, line: RegExp): number | undefined {
  const [, port] = line.exec(config) ?? [];
  return port === undefined ? undefined : Number(port);
}

/** Returns the configuration of a demo. @param boot image types to boot in a smoke test */
export function demoConfig(
  { lab, published, url, livePort }: DemoFolder,
  images: readonly string[],
  boot: readonly string[],
): string {
  return `# Written by "atomic-nightly lab demo". A nightly stream of the lab distribution, published to a folder.
name: lab-atomic-host
work: ./work
engine: auto

targets:
  buildlogs:
    type: directory
    path: ${published}
    url: ${url}
    serve: true

service:
  listen: 127.0.0.1:${livePort}

log:
  home: buildlogs
  origin: lab.example/atomic-host/log
  key-file: ./log.key

streams:
  nightly:
    treefile: ${join(lab, 'lab-atomic-host.yaml')}
    ref: lab-atomic-host/\${basearch}/nightly
    seed:
      allow-new: true
    targets: [buildlogs]
    remote:
      name: lab-atomic
    deltas: [parent]
    images: [${images.join(', ')}]
${boot.length > 0 ? `    smoke-test: {timeout: ${BOOT_SECONDS}, images: [${boot.join(', ')}]}\n` : ''}`;
}
