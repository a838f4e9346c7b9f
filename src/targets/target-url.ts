import { resolve } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { hasPassword, trimSlashes } from '../base/url-text.ts';
import type { SshConfig, TargetConfig } from '../config/config.ts';

/** An account that is reached over ssh, and a path there. */
export interface SshPlace {
  /** `[user@]host` */
  readonly account: string;
  readonly path: string;
  readonly ssh: SshConfig;
}

/** What the address of a far side does not say. */
export interface UrlOptions {
  /** Where clients read; empty: not known. */
  readonly url: string;
  readonly ssh: SshConfig;
  /** Set for S3 by `AWS_REGION` and `AWS_ENDPOINT_URL`, as Amazon's own tools take them. */
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
}

const HOST = String.raw`(?:[^\s@:/-][^\s@:/]*@)?(?:[^\s@:/[-][^\s@:/]*|\[[0-9A-Fa-f:.]+\])`;
const SCP = new RegExp(`^(${HOST}):(/(?:[^/\\s]\\S*)?)$`);
const SSH = new RegExp(`^ssh://(${HOST})(?::(\\d{1,5}))?(/\\S*)?$`);
const RSYNC = new RegExp(`^rsync://${HOST}(?::(\\d{1,5}))?/[^\\s/]+(/\\S*)?$`);
/** The largest there is. */
const MAX_PORT = 65_535;
const S3 = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([\w.-]+(?:\/[\w.-]+)*))?\/?$/;

/** Whether a text is an address or a path, and not the name of a target of the configuration. */
export function isTargetUrl(text: string): boolean {
  return /^\.{0,2}\/|^\.{1,2}$|:/.test(text);
}

/** Returns where `ssh://…` or `user@host:/path` leads; undefined for any other address. @throws NightlyError `usage`. */
export function sshPlace(text: string, ssh: SshConfig): SshPlace | undefined {
  const [, account, path] = SCP.exec(text) ?? [];
  if (account !== undefined && path !== undefined) return { account, path, ssh };
  if (!text.startsWith('ssh://')) return undefined;
  const [, host, port, folder = '/'] = SSH.exec(text) ?? [];
  if (host === undefined || hasPassword(text) || !isPort(port)) throw notAnAddress(text);
  return { account: host, path: folder, ssh: { ...ssh, ...(port === undefined ? {} : { port: Number(port) }) } };
}

/**
 * Returns the target that an address leads to: `ssh://[user@]host[:port]/path`, `[user@]host:/path`, `rsync://host/module/path`,
 * `s3://bucket/prefix`, or the path of a folder. It is the folder that holds `repo/`; the repository itself may be named as well.
 * @throws NightlyError `usage` for anything else.
 */
export function targetOfUrl(text: string, { url, ssh, region, endpoint }: UrlOptions): TargetConfig {
  const name = text;
  const far = sshPlace(text, ssh);
  if (far) return { type: 'ssh', name, url, destination: `${far.account}:${holderOf(far.path)}`, ssh: far.ssh };
  const rsync = RSYNC.exec(text);
  if (rsync && isPort(rsync[1]) && !hasPassword(text)) {
    return { type: 'rsync', name, url, destination: holderOf(text), ssh: {} };
  }
  const [isS3, bucket = '', prefix = ''] = S3.exec(text) ?? [];
  if (isS3 !== undefined) {
    const more = endpoint === undefined ? {} : { endpoint };
    return {
      type: 's3',
      name,
      url,
      bucket,
      prefix: prefix === 'repo' ? '' : holderOf(prefix),
      region: region ?? 'us-east-1',
      parallel: 32,
      ...more,
    };
  }
  const path = text.startsWith('file:///') ? text.slice('file://'.length) : text;
  if (isTargetUrl(path) && !/^\w*:/.test(path) && !path.includes(':/')) {
    return { type: 'directory', name, url, path: holderOf(resolve(path)) };
  }
  throw notAnAddress(text);
}

const isPort = (text: string | undefined): boolean => text === undefined || (text !== '0' && Number(text) <= MAX_PORT);

/** The folder that holds `repo/`, if the repository itself was named. */
function holderOf(path: string): string {
  const trimmed = path === '/' ? path : trimSlashes(path);
  return trimmed.endsWith('/repo') ? trimmed.slice(0, -'/repo'.length) || '/' : trimmed || '/';
}

function notAnAddress(text: string): NightlyError {
  return new NightlyError('usage', `${JSON.stringify(text)} is not the address of a far side.`, {
    hint: 'It is ssh://user@host/path, user@host:/path, rsync://host/module/path, s3://bucket/prefix, or a path as in ./folder. Passwords and keys are not written into it.',
  });
}
