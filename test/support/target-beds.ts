import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RsyncTargetConfig, SshConfig } from '../../src/config/config.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import type { Target } from '../../src/targets/target.ts';
import { sharedRadosgw, whyNoRadosgw } from './radosgw.ts';
import { startRsyncd } from './rsyncd.ts';
import { makeBucket } from './s3-bucket.ts';
import { startSshd, type TestSshd } from './sshd.ts';
import { temporaryFolder } from './tmp.ts';

/** A folder to publish to, one to publish from, and the target that leads from one to the other. */
export interface Bed {
  readonly dir: string;
  readonly source: string;
  readonly target: Target;
  /** Text of a published file, past the target's own reading. */
  look(path: string): Promise<string>;
  /** The folder published; undefined where there are no folders. */
  readonly far?: string;
}

export interface FolderBed extends Bed {
  readonly far: string;
}

/** Nothing answers there; these tests never read over the public URL. */
export const URL = 'http://127.0.0.1:1';

/** Two small objects and a record to publish; `far` is still to be made. */
export async function bed(): Promise<Omit<FolderBed, 'target'>> {
  const dir = temporaryFolder();
  const [far, source] = [join(dir, 'far'), join(dir, 'near')];
  await mkdir(join(source, 'repo/objects/aa'), { recursive: true });
  await writeFile(join(source, 'repo/objects/aa/1.filez'), 'one');
  await writeFile(join(source, 'repo/objects/aa/2.dirtree'), 'two!');
  await mkdir(join(source, 'builds'));
  await writeFile(join(source, 'builds/meta.json'), '{}');
  return { dir, far, source, look: (path) => readFile(join(far, path), 'utf8') };
}

/** A folder on this machine. */
export async function directoryBed(): Promise<FolderBed> {
  const place = await bed();
  return { ...place, target: openTarget({ type: 'directory', name: 'dir', path: place.far, url: URL }) };
}

/** rsync to an account without a shell: what works there works with one. */
export async function rrsyncBed(): Promise<FolderBed> {
  const place = await bed();
  await mkdir(place.far);
  const sshd = await startSshd(join(place.dir, 'sshd'), { rrsync: place.far });
  return { ...place, target: rsyncOverSsh(accessOf(sshd), 'root@127.0.0.1:/') };
}

/** tar over ssh to an account with a shell. */
export async function sshBed(): Promise<FolderBed & { readonly sshd: TestSshd }> {
  const place = await bed();
  const sshd = await startSshd(join(place.dir, 'sshd'));
  return { ...place, sshd, target: tarOverSsh(accessOf(sshd), place.far) };
}

/** How a target reaches that server; another port leads there through a proxy. */
export function accessOf({ identityFile, knownHostsFile, port }: TestSshd, proxy = port): Required<SshConfig> {
  return { identityFile, knownHostsFile, port: proxy };
}

/** A target of type ssh for that folder of this machine. */
export function tarOverSsh(ssh: SshConfig, far: string): Target {
  return openTarget({ type: 'ssh', name: 'far', destination: `root@127.0.0.1:${far}`, ssh, url: URL });
}

/** A target of type rsync over ssh. */
export function rsyncOverSsh(ssh: SshConfig, destination: string, more: Partial<RsyncTargetConfig> = {}): Target {
  return openTarget({ type: 'rsync', name: 'far', destination, ssh, url: URL, ...more });
}

/** An rsync daemon module with a password. */
export async function daemonBed(): Promise<FolderBed> {
  const place = await bed();
  const { destination, passwordFile } = await startRsyncd(join(place.dir, 'rsyncd'), place.far);
  const target = openTarget({ type: 'rsync', name: 'far', destination, ssh: {}, passwordFile, url: URL });
  return { ...place, target };
}

/** A bucket of a gateway that all tests of a run share. */
export async function s3Bed(): Promise<Bed> {
  const { dir, source } = await bed();
  const { config, look } = await makeBucket(await sharedRadosgw());
  return { dir, source, target: openTarget(config), look: async (path) => (await look(path)).content };
}

/** Each kind of target, S3 where there is a gateway. */
export const KINDS: readonly (readonly [kind: string, open: () => Promise<Bed>])[] = [
  ['directory', directoryBed],
  ['rsync', rrsyncBed],
  ['ssh', sshBed],
  ...(whyNoRadosgw() === undefined ? [['s3', s3Bed] as const] : []),
];
