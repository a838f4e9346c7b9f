import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import type { Compared, PlainTarget, SendGroup, SendStats, SentLog, Target } from './target.ts';

/**
 * Names that hold a digest of their content, or of what decides it: objects of a repository, a commit's tombstone among
 * them, and metadata of RPM repositories. What has such a name and the right size is the right file, or damaged.
 */
const BY_DIGEST = /^repo\/objects\/|^repo\/state\/[0-9a-f]{64}\.|(^|\/)repodata\/[0-9a-f]{64,128}-[^/]+$|\/$/;

const NOTHING: SendStats = { files: 0, bytes: 0 };

const isByDigest = (path: string): boolean => BY_DIGEST.test(path);

/**
 * Returns a target on which the bytes under a write-once name never change (I16), whatever is sent: an RPM that was
 * signed again keeps its name and size, and a cache in front of the target would keep serving the old one for a
 * year, with metadata that names the new one's digest. So it is refused; the same content is left alone, and so costs
 * nothing.
 */
export function withWriteOnce(target: PlainTarget): Target {
  const { compare: _, ...plain } = target;
  const { sendInOrder } = target;
  return {
    ...plain,
    async send(sourceRoot, paths, options, task) {
      if (!options.immutable || paths.every(isByDigest)) return target.send(sourceRoot, paths, options, task);
      const named = paths.filter((path) => !isByDigest(path));
      const { missing, different } = await look(target, sourceRoot, named, task);
      if (different[0] !== undefined && options.replace !== true) throw differsError(target, different);
      const digested = paths.filter(isByDigest);
      const sent = [
        digested.length === 0 ? NOTHING : await target.send(sourceRoot, digested, options, task),
        await sendFresh(target, sourceRoot, missing, options.sent, task),
        different.length === 0 ? NOTHING : await target.send(sourceRoot, different, { immutable: false }, task),
      ];
      const sum = (of: 'files' | 'bytes') => sent.reduce((total, one) => total + one[of], 0);
      return { files: sum('files'), bytes: sum('bytes') };
    },
    ...(sendInOrder && {
      async sendInOrder(sourceRoot, groups, task) {
        const due: SendGroup[] = [];
        for (const { paths, immutable } of groups) {
          const named = immutable ? paths.filter((path) => !isByDigest(path)) : [];
          if (named.length === 0) due.push({ paths, immutable });
          else {
            const { missing, different } = await look(target, sourceRoot, named, task);
            if (different[0] !== undefined) throw differsError(target, different);
            due.push({ paths: [...paths.filter(isByDigest), ...missing], immutable });
          }
        }
        return sendInOrder(sourceRoot, due, task);
      },
    }),
  };
}

/** Returns which of some files the target does not have, or empty, and of which it has other bytes. */
async function look(target: PlainTarget, root: string, paths: readonly string[], task: Task) {
  const found = paths.length === 0 ? [] : await target.compare(root, paths, task);
  const are = (what: Compared) => paths.filter((_, index) => found[index] === what);
  const different = are('different');
  return { different, missing: paths.filter((path, index) => found[index] !== 'same' && !different.includes(path)) };
}

/** Sends files that were not there a moment ago. Where another publisher was faster, its bytes stay, and have to be ours. */
async function sendFresh(
  target: PlainTarget,
  root: string,
  paths: readonly string[],
  log: SentLog | undefined,
  task: Task,
): Promise<SendStats> {
  if (paths.length === 0) return NOTHING;
  const sent = await target.send(root, paths, { immutable: true, fresh: true, sent: log }, task);
  if (sent.files >= paths.length) return sent;
  const { different, missing: empty } = await look(target, root, paths, task);
  if (different[0] !== undefined) throw differsError(target, different);
  if (empty.length === 0) return sent;
  const filled = await target.send(root, empty, { immutable: false }, task);
  return { files: sent.files + filled.files, bytes: sent.bytes + filled.bytes };
}

function differsError(target: Target, paths: readonly string[]): NightlyError {
  const [first = ''] = paths;
  const more = paths.length > 1 ? ` and ${paths.length - 1} more` : '';
  const what = `Target "${target.name}" has ${first}${more} with different bytes from the file to be published under that name`;
  return new NightlyError('target-differs', `${what}; nothing was sent. Caches keep such a file for a year.`, {
    hint: first.endsWith('.rpm')
      ? 'Give the package a new release: one that was built or signed again is another package. Put the published file back under the old name.'
      : 'Put the published file back, or make a new build. If it is the target that is damaged, "atomic-nightly publish --reconcile --checksums" repairs it.',
  });
}
