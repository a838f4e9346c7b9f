import { z } from 'zod';
import { block, type Here } from './block.ts';
import type { Breach } from './breach.ts';
import { filePath, httpUrl, refName, repoUrl, word } from './values.ts';

/** The keys of `cycle.upstream` that say what candidates are compared with. @param here folder of the configuration */
export const upstreamKeys = (here: Here) =>
  ({
    repo: repoUrl.optional().describe('OSTree repository of upstream; its commit lists the packages. With "ref".'),
    ref: refName
      .optional()
      .describe('Ref in "repo" that candidates are compared with; ${basearch} is the architecture of the build.'),
    'gpg-keys': z
      .array(filePath(here))
      .prefault([])
      .describe('Public keys; with any, the commit of "ref" must be signed by one.'),
    packages: httpUrl
      .optional()
      .describe('In place of "repo": a list of packages, a NEVRA a line, or a lockfile as each build publishes it.'),
    stream: word
      .optional()
      .describe('In place of "repo": a stream of this configuration; its last release or complete build.'),
    ignore: z
      .array(z.string().regex(/^[\w.+*?-]+$/, 'must be the name of a package, with * and ?'))
      .default([])
      .describe('Packages that may be missing, older or extra, as centos-release is for redhat-release.'),
    'max-missing': z.int().min(0).optional().describe('A promotion or release with more packages missing is refused.'),
    'max-older': z
      .int()
      .min(0)
      .optional()
      .describe('A promotion or release with more packages older than upstream is refused.'),
  }) as const;

const upstreamBlock = (here: Here) => block(upstreamKeys(here));

/** The keys as they were written. */
export type WrittenUpstream = z.output<ReturnType<typeof upstreamBlock>>;

/** Where the packages of upstream are listed. */
export type UpstreamSource =
  | { readonly kind: 'ref'; readonly repo: string; readonly ref: string; readonly gpgKeys: readonly string[] }
  | { readonly kind: 'packages'; readonly url: string }
  | { readonly kind: 'stream'; readonly stream: string };

/** What candidates are compared with, and how far from it they may be. */
export interface UpstreamConfig {
  readonly source: UpstreamSource;
  /** Names of packages with `*` and `?` that are left out. */
  readonly ignore: readonly string[];
  readonly maxMissing?: number | undefined;
  readonly maxOlder?: number | undefined;
}

/** Returns what is compared with; undefined where nothing is said of it. */
export function upstreamOf(written: WrittenUpstream): UpstreamConfig | undefined {
  const { repo, ref, gpgKeys, packages, stream, ignore, maxMissing, maxOlder } = written;
  const rest = { ignore, maxMissing, maxOlder };
  if (repo !== undefined && ref !== undefined) return { source: { kind: 'ref', repo, ref, gpgKeys }, ...rest };
  if (packages !== undefined) return { source: { kind: 'packages', url: packages }, ...rest };
  return stream === undefined ? undefined : { source: { kind: 'stream', stream }, ...rest };
}

/** Schema check within the block: one source, whole, and none without one. */
export function checkSource(written: WrittenUpstream, context: z.core.$RefinementCtx): void {
  const { repo, ref, gpgKeys, packages, stream, ignore, maxMissing, maxOlder } = written;
  const fault = (key: string, message: string) =>
    context.addIssue({ code: 'custom', path: [key], message, input: written });
  if (repo !== undefined && ref === undefined) fault('repo', 'needs a "ref" beside it');
  if (ref !== undefined && repo === undefined) fault('ref', 'needs a "repo" beside it');
  if (gpgKeys.length > 0 && repo === undefined)
    fault('gpg-keys', 'is for "repo" and "ref": what else is compared has no signature of a commit');
  const sources = { repo, packages, stream };
  const given = Object.entries(sources).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  if (given.length > 1) fault(given[1] ?? '', `must not stand beside "${given[0]}": there is one upstream`);
  if (given.length > 0) return;
  const limits = { ignore: ignore.length === 0 ? undefined : ignore, 'max-missing': maxMissing, 'max-older': maxOlder };
  for (const [key, value] of Object.entries(limits))
    if (value !== undefined) fault(key, 'needs "repo" and "ref", "packages" or "stream": what to compare with');
}

/** Returns what is wrong with the stream that is named as upstream. @param names of all streams */
export function checkUpstreamStream(upstream: UpstreamConfig | undefined, names: readonly string[]): Breach[] {
  if (upstream?.source.kind !== 'stream' || names.includes(upstream.source.stream)) return [];
  const message = `there is no stream "${upstream.source.stream}". Streams here: ${names.join(', ')}.`;
  return [{ path: ['cycle', 'upstream', 'stream'], message }];
}
