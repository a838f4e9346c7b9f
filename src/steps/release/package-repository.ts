import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { NightlyError } from '../../base/errors.ts';
import { digestLike, filesBelow, ifThere, makeFolder, sha256File, syncFolder } from '../../base/files.ts';
import { armoredSignature, dearmored } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import { copyTree } from '../../programs/cp.ts';
import { createRepoAside } from '../../programs/createrepo.ts';
import { signatureName } from '../../published/paths.ts';
import { readRepoContent } from '../../rpm/repodata.ts';
import type { RepoDefinition } from '../../rpm/repofile.ts';
import { openRepository, parseRepomd } from '../../rpm/repomd.ts';
import { type Project, streamSigners } from '../../run/project.ts';
import { isSignedByAll } from '../../signing/verify-detached.ts';

/** What names all other metadata, with their checksums. */
export const REPOMD = 'repodata/repomd.xml';

/**
 * Makes a repository's metadata name exactly the RPMs that are there, signed by the stream: `repomd.xml.asc` is what dnf's
 * repo_gpgcheck asks for. Done aside; what readers see changes by two renames, the signature first.
 * @returns whether anything had to be written
 */
export async function renewRepository(project: Project, repository: string, task: Task): Promise<boolean> {
  if (await isCurrent(project, repository, task)) return false;
  const { signer } = project;
  const [repodata, aside] = [join(repository, 'repodata'), join(repository, '.repodata-new')];
  const [repomd, signature] = [join(repository, REPOMD), signatureName(join(repository, REPOMD))];
  await rm(aside, { recursive: true, force: true });
  await mkdir(aside);
  const before = await ifThere(readFile(repomd, 'utf8'));
  if (before !== undefined) await copyTree(repodata, join(aside, 'repodata'), task);
  await createRepoAside(repository, aside, task);
  const [made, newSignature] = [join(aside, REPOMD), signatureName(join(aside, REPOMD))];
  const bytes = await readFile(made);
  if (signer) await writeFile(newSignature, armoredSignature(await signer.sign(bytes, task)));

  await makeFolder(repodata);
  const named = metadataFiles(bytes.toString());
  for (const href of named) await rename(join(aside, href), join(repository, href));
  if (signer) await rename(newSignature, signature);
  await rename(made, repomd);
  if (!signer) await rm(signature, { force: true });
  await syncFolder(repodata);
  await rm(aside, { recursive: true });

  // Those of the time before stay, for who has read its repomd.xml a moment ago.
  const kept = new Set([...named, ...safely(before)].map((href) => basename(href)));
  for (const name of await readdir(repodata)) {
    if (/^[0-9a-f]{64}-/.test(name) && !kept.has(name)) await rm(join(repodata, name));
  }
  task.say(`metadata of ${(await rpmsIn(repository)).length} packages${signer ? ', signed' : ''}`);
  return true;
}

/** Names of a repository's RPM files, relative to it. */
export async function rpmsIn(repository: string): Promise<string[]> {
  return (await filesBelow(repository)).filter((path) => path.endsWith('.rpm'));
}

/** Paths of the metadata that a repomd.xml names, relative to the repository. */
export function metadataFiles(repomd: string): string[] {
  return parseRepomd(repomd).files.map(({ href }) => href);
}

/** A repomd.xml that cannot be read names nothing. */
function safely(repomd: string | undefined): string[] {
  try {
    return repomd === undefined ? [] : metadataFiles(repomd);
  } catch {
    return [];
  }
}

/** Whether the metadata is whole, signed by every key, and names each RPM with its checksum and no other. */
async function isCurrent({ config, stream }: Project, repository: string, task: Task): Promise<boolean> {
  const repomd = await ifThere(readFile(join(repository, REPOMD)));
  if (repomd === undefined) return false;
  const signers = streamSigners(config, stream);
  const signature = await ifThere(readFile(signatureName(join(repository, REPOMD))));
  // One that is left of a stream that signed once is as wrong as none.
  if (signers.length > 0 !== (signature !== undefined)) return false;
  if (signature !== undefined && !(await isSignedByAll(signers, repomd, [dearmored(signature)], task))) return false;
  const named = await contentOf(repository, task);
  const files = await rpmsIn(repository);
  if (named?.size !== files.length) return false;
  for (const file of files) {
    if (named.get(file) !== `sha256:${await sha256File(join(repository, file))}`) return false;
  }
  return true;
}

/** Digests by path, as the metadata has them; undefined when a part of it is missing or damaged. */
async function contentOf(repository: string, task: Task): Promise<Map<string, string | undefined> | undefined> {
  const base = `${pathToFileURL(repository).href}/`;
  const repo: RepoDefinition = {
    id: basename(repository),
    file: repository,
    line: 1,
    baseurl: [base],
    gpgcheck: false,
    gpgkey: [],
    connection: {},
    options: {},
  };
  try {
    for (const { href, digest } of (await openRepository(repo, task)).files) {
      if (digest === undefined || (await digestLike(digest, join(repository, href))) !== digest) return undefined;
    }
    const { packages } = await readRepoContent(repo, task);
    return new Map(packages.map(({ url, digest }) => [url.slice(base.length), digest]));
  } catch (error) {
    task.signal.throwIfAborted();
    if (error instanceof NightlyError && error.code !== 'repo-unreachable') throw error;
    return undefined;
  }
}
