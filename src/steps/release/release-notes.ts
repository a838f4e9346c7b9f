import { readFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { sha256, writeFileAtomic } from '../../base/files.ts';
import { armoredKey, armoredSignature } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { type StoredBuild, surveyBuilds } from '../../build/build-store.ts';
import type { Config, ReleaseTo, StreamConfig } from '../../config/config.ts';
import { formatVkey } from '../../log/note-keys.ts';
import { proofPath, rpmFolder, signatureName, sumsPath, VERIFIER_PATH } from '../../published/paths.ts';
import { releaseFacts, type VerifierFacts } from '../../reports/release/facts.ts';
import { messageFile } from '../../reports/release/release-mail.ts';
import { RELEASE_TEXTS, renderRelease } from '../../reports/release/render-release.ts';
import { rpmFileName } from '../../rpm/evr.ts';
import { readLockfile } from '../../rpm/lockfile.ts';
import type { Project } from '../../run/project.ts';
import { openLogKey } from '../../signing/log-key.ts';
import type { Signer } from '../../signing/signer.ts';
import type { Target } from '../../targets/target.ts';
import { readVerifier } from '../deliver/publish-pages.ts';

export interface NotesRequest {
  readonly signer: Signer;
  readonly to: ReleaseTo;
  /** The first target of each kind: what the notes link to. */
  readonly tree: Target;
  readonly images: Target;
  readonly previous: StoredBuild | undefined;
  /** RFC 3339, UTC. */
  readonly at: string;
}

/**
 * Writes the texts of a release from their templates: notes, wiki page and announcement, the announcement also as a
 * mail that is ready to send; and the public key that all of it is verified with.
 * @returns names of the files to publish, in `release/`, each after its signature
 * @throws NightlyError `config` (a template), `signing`
 */
export async function writeNotes(
  project: Project,
  { paths, meta }: StoredBuild,
  request: NotesRequest,
  task: Task,
): Promise<string[]> {
  const { config, repo, stream } = project;
  const { signer, to, tree, images, previous, at } = request;
  const folder = `${images.publicUrl}/${relative(config.work, paths.dir)}`;
  const publicKey = await signer.publicKey(task);
  const facts = await releaseFacts({
    product: config.name,
    meta,
    repo,
    previous,
    builds: (await surveyBuilds(config.work)).builds.map((one) => one.meta),
    publicKey,
    folder,
    releasedAt: new Date(at),
    remote: { name: stream.remote.name, url: `${tree.publicUrl}/repo` },
    packageUrl: await packageUrl(stream, paths.lockfile, tree),
    keyUrl: `${folder}/release/key.asc`,
    verifier: await verifierOf(config, images, meta),
    knownIssues: to.knownIssues === undefined ? '' : await readFile(to.knownIssues, 'utf8'),
  });
  const names: string[] = [];
  const write = async (name: string, content: string | Uint8Array): Promise<void> => {
    await writeFileAtomic(join(paths.release, name), content);
    names.push(name);
  };
  await write('key.asc', armoredKey(publicKey));
  const texts = new Map<string, string>();
  for (const name of RELEASE_TEXTS) {
    const text = await renderRelease(name, facts, to.templates);
    texts.set(name, text);
    await write(signatureName(name), armoredSignature(await signer.sign(Buffer.from(text), task)));
    await write(name, text);
  }
  if (to.mail) {
    const message = await messageFile({
      mail: to.mail,
      subject: `${facts.product} ${facts.version} released`,
      text: texts.get('announcement.txt') ?? '',
      messageId: `<${facts.version}.${stream.name}.${facts.commit.slice(0, 16)}@${to.mail.from.split('@')[1]}>`,
      date: new Date(at),
    });
    await writeFileAtomic(join(paths.release, 'announcement.eml'), message);
  }
  task.say(`release notes in ${join(paths.release, 'notes.md')}`);
  return names;
}

/** Returns where the release package that is in the tree can be had alone. */
async function packageUrl(stream: StreamConfig, lockfile: string, tree: Target): Promise<string | undefined> {
  const name = stream.releasePackage?.name;
  if (name === undefined) return undefined;
  const found = (await readLockfile(lockfile)).packages[name];
  return found && `${tree.publicUrl}/${rpmFolder(stream.name)}/${rpmFileName(name, found.evra)}`;
}

/** Returns what the notes say of the script that checks downloads; undefined where the images lie without the log, or without pages. */
async function verifierOf(
  { log, targets }: Config,
  { name, publicUrl }: Target,
  { buildid, basearch }: BuildMeta,
): Promise<VerifierFacts | undefined> {
  if (log === undefined || !(log.home === name || log.copies.includes(name)) || targets[name]?.pages === false)
    return undefined;
  return {
    file: basename(VERIFIER_PATH),
    url: `${publicUrl}/${VERIFIER_PATH}`,
    sha256: sha256(await readVerifier()),
    logKey: formatVkey(await openLogKey(log)),
    proofUrl: `${publicUrl}/${proofPath(sumsPath(buildid, basearch))}`,
  };
}
