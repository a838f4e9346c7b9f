import { NightlyError } from '../../base/errors.ts';
import { sha256 } from '../../base/files.ts';
import { formatCount } from '../../base/format.ts';
import { dearmored } from '../../base/openpgp-packets.ts';
import { readPublicFile } from '../../base/secret-file.ts';
import type { Task } from '../../base/task.ts';
import { PROVENANCE_FILE, RECORD_FILE, SUMS, TREEFILE_ARCHIVE } from '../../build/build-files.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { readBuildMeta } from '../../build/build-record-format.ts';
import { type Provenance, parseProvenance } from '../../engines/provenance/provenance-format.ts';
import type { Policy } from '../../log/policy.ts';
import { NO_ANSWER_HINT, NoAnswerError, type PublicFiles } from '../../publish/verify/public-http.ts';
import { verifyLoggedCommit, verifyLoggedFile } from '../../publish/verify/verify-proof.ts';
import { buildFolder, signatureName } from '../../published/paths.ts';
import { parseSums } from '../../published/sha256sums.ts';
import { readTreefileArchive, type TreefileMember } from '../../published/treefile-members.ts';
import { type Lockfile, parseLockfile } from '../../rpm/lockfile.ts';
import { isSignedByOne } from '../../signing/verify-detached.ts';

const LOCKFILE = 'lockfile.json';

const KEY_HINT =
  'Get the key of whoever publishes the build from a place you trust; get/STREAM.gpg on the target has it.';

/** Whom somebody who rebuilds believes about a build; nobody: whatever the URL serves counts. */
export interface PublisherTrust {
  /** Public keys of the publisher, one of which must have signed the records and the commit. */
  readonly gpgKeys: readonly string[];
  /** Whose release log must have the records and the commit. */
  readonly policy?: Policy | undefined;
}

/** A build as its target serves it to anybody. */
export interface PublishedBuild {
  /** URL of the target, without a trailing slash. */
  readonly url: string;
  readonly meta: BuildMeta;
  readonly commit: string;
  readonly lockfile: Lockfile;
  readonly provenance: Provenance;
  readonly treefile: readonly TreefileMember[];
  /** Path of the top treefile among its files; the record of a promotion leaves that to its nightly build. */
  readonly top: string | undefined;
  /** The records it is made of, for the statement. */
  readonly inputs: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
}

/** Where a build is, and whom to believe. */
export interface BuildPlace {
  readonly files: PublicFiles;
  readonly url: string;
  readonly id: string;
  readonly arch: string;
  readonly trust: PublisherTrust;
}

/**
 * Fetches the records of a build as anybody can, each as SHA256SUMS has it, and that signed or logged where a key was given.
 * @throws NightlyError `not-found`, `target-unreachable`, `verify`, `signing`, `log`; `record` or `usage` for what is no such record.
 */
export async function fetchPublishedBuild(place: BuildPlace, task: Task): Promise<PublishedBuild> {
  const { url, id, arch, trust, files } = place;
  const sumsBytes = await fetchRecord(place, SUMS, task);
  const metaBytes = await fetchRecord(place, RECORD_FILE, task);
  const shown = (name: string) => `${url}/${buildFolder(id, arch)}/${name}`;
  const sums = new Map(parseSums(sumsBytes.toString(), shown(SUMS)).map(({ path, sha256: digest }) => [path, digest]));
  const meta = readBuildMeta(metaBytes, { id, arch }, shown(RECORD_FILE));
  const { ostreeCommit: commit, treefileCopy: top } = meta;
  if (commit === undefined || !sums.has(TREEFILE_ARCHIVE) || !sums.has(PROVENANCE_FILE))
    throw notComposable(place, meta);
  const { policy } = trust;
  if (policy) await answered(place, () => verifyLoggedCommit(files, policy, { ref: meta.ref, commit }));
  const inputs: { name: string; digest: { sha256: string } }[] = [];
  const listed = async (name: string): Promise<Buffer> => {
    const content = await fetchFile(place, name);
    const digest = sha256(content);
    if (digest !== sums.get(name)) {
      throw new NightlyError('verify', `${shown(name)} is not what ${SUMS} beside it says.`, {
        hint: 'Ask whoever publishes the build: it was changed, or is being changed.',
      });
    }
    inputs.push({ name, digest: { sha256: digest } });
    return content;
  };
  const lockfile = parseLockfile((await listed(LOCKFILE)).toString(), shown(LOCKFILE));
  const provenance = parseProvenance(await listed(PROVENANCE_FILE), shown(PROVENANCE_FILE));
  const treefile = await readTreefileArchive(await listed(TREEFILE_ARCHIVE), shown(TREEFILE_ARCHIVE));
  task.say(
    `${id} for ${arch}: ${formatCount(Object.keys(lockfile.packages).length, 'package')}, ${formatCount(treefile.length, 'file')} of the treefile`,
  );
  return { url, meta, commit, lockfile, provenance, treefile, top, inputs };
}

/** Fetches a record that only its signature and the log vouch for. */
async function fetchRecord(place: BuildPlace, name: string, task: Task): Promise<Buffer> {
  const { files, id, arch, trust } = place;
  const content = await fetchFile(place, name);
  const path = `${buildFolder(id, arch)}/${name}`;
  const { policy } = trust;
  if (policy) await answered(place, () => verifyLoggedFile(files, policy, { path, content }));
  if (trust.gpgKeys.length === 0) return content;
  const signature = await answered(place, () => files.get(signatureName(path)));
  for (const key of trust.gpgKeys) {
    const publicKey = dearmored(await readPublicFile(key, { what: 'public key', code: 'usage', missing: KEY_HINT }));
    if (signature && (await isSignedByOne(publicKey, content, [signature], task))) return content;
  }
  throw new NightlyError('signing', `${place.url}/${path} has no good signature by a key that was given.`, {
    hint: KEY_HINT,
  });
}

async function fetchFile(place: BuildPlace, name: string): Promise<Buffer> {
  const { files, url, id, arch } = place;
  const path = `${buildFolder(id, arch)}/${name}`;
  const content = await answered(place, () => files.get(path));
  if (content) return Buffer.from(content);
  throw new NightlyError('not-found', `${url} has no ${path}.`, {
    hint: `Check the build id, --arch and the URL: that of the target, below which "builds" and "repo" lie. ${url}/builds/builds.json names its builds.`,
  });
}

/** @throws NightlyError `target-unreachable` in place of what a server without an answer gives. */
async function answered<Result>({ url }: Pick<BuildPlace, 'url'>, ask: () => Promise<Result>): Promise<Result> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    throw new NightlyError('target-unreachable', `${url} gives no answer: ${error.message}.`, {
      hint: NO_ANSWER_HINT,
      cause: error,
    });
  }
}

function notComposable({ url, id }: BuildPlace, meta: BuildMeta): NightlyError {
  const other = meta.retraction?.previous ?? meta.withdrawal?.previous;
  const engine = meta.engine?.name;
  const [what, hint] =
    other !== undefined
      ? [`only has the tree of build ${other} again`, `Rebuild ${other}.`]
      : engine === 'checkout' || engine === 'command'
        ? [
            `was made by the engine ${engine}: no packages and no treefile say how`,
            'Only trees of packages can be composed again.',
          ]
        : [
            `has no ${TREEFILE_ARCHIVE}`,
            'The log of its step "provenance" says why it was not published; ask whoever publishes it.',
          ];
  return new NightlyError('usage', `Build ${id} at ${url} cannot be composed again: it ${what}.`, { hint });
}
