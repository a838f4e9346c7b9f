import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnvelope, STATEMENT_TYPE, signedBytes } from '../../attest/dsse.ts';
import { type OsRelease, parseOsRelease } from '../../attest/os-release.ts';
import { logInRekor } from '../../attest/rekor-client.ts';
import { signStatement } from '../../attest/sign-statement.ts';
import { bundleText, isBundleOf } from '../../attest/sigstore-bundle.ts';
import { provenanceStatement } from '../../attest/statement.ts';
import { bytesIfThere, ifThere, sha256, sha256File, writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { VERSION } from '../../base/version.ts';
import {
  BUNDLE_FILE,
  imageStatementName,
  PROVENANCE_FILE,
  SBOM_FILE,
  SIGNATURES_FILE,
  SIGSUM_FILE,
  STATEMENT_FILE,
} from '../../build/build-files.ts';
import { readMeta } from '../../build/build-store.ts';
import { type Provenance, parseProvenance } from '../../engines/provenance/provenance-format.ts';
import { type PackageSignatures, readSignatures } from '../../engines/provenance/rpm-provenance.ts';
import type { ImageFile } from '../../images/image.ts';
import { parseVkey } from '../../log/note-keys.ts';
import { catFile, ostreeVersion } from '../../programs/ostree.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { BuiltImage } from '../images/images.ts';
import { checksumsOf, fixedRecords } from './publish-build.ts';

/** What is known of a build's tree once its provenance is written. */
interface KnownTree {
  readonly provenance: Provenance;
  readonly signatures: PackageSignatures;
  readonly os: OsRelease;
}

/**
 * Writes the bill of materials of a build's tree. A build whose tree says nothing of what it is made of gets none.
 * @throws NightlyError `tool-failed`.
 */
export async function writeSbom(
  build: Pick<Build, 'paths' | 'id'>,
  { repo, commit, ref }: { readonly repo: string; readonly commit: string; readonly ref: string },
  task: Task,
): Promise<void> {
  const known = await knownTree(build, { repo, commit }, task);
  if (known === undefined) {
    task.say(`${SBOM_FILE} is not made: the tree does not say what it is made of.`);
    return;
  }
  // Only builds that have one pay for loading the library.
  const { sbomText } = await import('../../attest/sbom.ts');
  const text = sbomText({ ref, commit, version: build.id }, known.os, known.provenance, known.signatures);
  await writeFileAtomic(join(build.paths.dir, SBOM_FILE), text);
}

/**
 * Writes the signed statement of what a build's commit and its records were made from.
 * @throws NightlyError `signing`, `tool-failed`.
 */
export async function writeStatement(
  { stream, statementSigner, repo }: Pick<Project, 'stream' | 'statementSigner' | 'repo'>,
  build: Pick<Build, 'paths' | 'id'>,
  commit: string,
  task: Task,
): Promise<void> {
  const statement = stream.attestations?.statement;
  const known = await knownTree(build, { repo, commit }, task);
  if (statement === undefined || statementSigner === undefined || known === undefined) {
    task.say(`${STATEMENT_FILE} is not made: the tree does not say what it is made of.`);
    return;
  }
  const meta = await readMeta(build.paths);
  const { buildFacts } = await import('../../attest/build-facts.ts');
  const files = await checksumsOf(build, statedRecords(build));
  const times = { startedOn: meta.ostreeTimestamp, finishedOn: new Date().toISOString() };
  const payload = provenanceStatement(
    buildFacts({ ...known, ...times, meta, commit, files, builder: statement.builder }),
  );
  await writeFileAtomic(join(build.paths.dir, STATEMENT_FILE), await signStatement(payload, statementSigner, task));
}

/**
 * Has a transparency log take the signature of a build's statement, and keeps the proof with the statement in a bundle beside it; one that
 * is there already stays as it is.
 * @throws NightlyError `unwitnessed` when the log gives no answer, `log`, `record` when its answer proves nothing; `signing`.
 */
export async function bundleStatement(
  { stream, statementSigner }: Pick<Project, 'stream' | 'statementSigner'>,
  { paths: { dir } }: Pick<Build, 'paths'>,
  task: Task,
): Promise<void> {
  const rekor = stream.attestations?.statement?.rekor;
  const content = await bytesIfThere(join(dir, STATEMENT_FILE));
  if (rekor === undefined || statementSigner === undefined || content === undefined) return;
  const envelope = parseEnvelope(content, STATEMENT_FILE);
  const place = join(dir, BUNDLE_FILE);
  if (isBundleOf(await bytesIfThere(place), envelope)) return;
  const key = await statementSigner.publicKey();
  const [signature = new Uint8Array()] = envelope.signatures;
  const digest = createHash('sha256').update(signedBytes(STATEMENT_TYPE, envelope.payload)).digest();
  const wanted = { digest, signature, publicKey: key.export({ type: 'spki', format: 'der' }) };
  const log = { url: rekor.url.replace(/\/+$/, ''), key: parseVkey(rekor.logKey, { file: 'log-key' }) };
  const entry = await logInRekor(wanted, log, task);
  await writeFileAtomic(place, bundleText(envelope, key, entry));
  task.say(`the statement is entry ${entry.logIndex} of ${log.key.name}`);
}

/** Returns the records that the statement of a build is about. They are the same whether it is there already or not. */
export function statedRecords(build: Pick<Build, 'paths'>): string[] {
  return fixedRecords(build).filter((name) => name !== STATEMENT_FILE && name !== BUNDLE_FILE && name !== SIGSUM_FILE);
}

/**
 * Writes the signed statement of what an image was made from beside it.
 * @returns the image with it
 * @throws NightlyError `signing`.
 */
export async function writeImageStatement(
  { stream, statementSigner }: Pick<Project, 'stream' | 'statementSigner'>,
  { paths }: Pick<Build, 'paths'>,
  { name: type, image }: BuiltImage,
  task: Task,
): Promise<ImageFile> {
  const builder = stream.attestations?.statement?.builder;
  if (statementSigner === undefined || builder === undefined) return image;
  const { imageFacts } = await import('../../attest/build-facts.ts');
  const versions = { 'atomic-nightly': VERSION, ostree: await ostreeVersion() };
  const finishedOn = new Date().toISOString();
  const payload = provenanceStatement(
    imageFacts({ meta: await readMeta(paths), type, image, builder, versions, finishedOn }),
  );
  const path = imageStatementName(image.path);
  const line = await signStatement(payload, statementSigner, task);
  await writeFileAtomic(join(paths.dir, path), line);
  return { ...image, statement: { path, sha256: sha256(line), size: Buffer.byteLength(line) } };
}

/** Whether the statement of an image is there as it was made. */
export async function statementIsThere({ paths }: Pick<Build, 'paths'>, { statement }: ImageFile): Promise<boolean> {
  if (statement === undefined) return false;
  return (await ifThere(sha256File(join(paths.dir, statement.path)))) === statement.sha256;
}

async function knownTree(
  { paths: { dir } }: Pick<Build, 'paths'>,
  { repo, commit }: { readonly repo: string; readonly commit: string },
  task: Task,
): Promise<KnownTree | undefined> {
  const place = join(dir, PROVENANCE_FILE);
  if (!existsSync(place)) return undefined;
  const signatures = join(dir, SIGNATURES_FILE);
  return {
    provenance: parseProvenance(await readFile(place), place),
    signatures: existsSync(signatures) ? readSignatures(await readFile(signatures), signatures) : {},
    os: parseOsRelease((await catFile(repo, commit, '/usr/lib/os-release', task)) ?? ''),
  };
}
