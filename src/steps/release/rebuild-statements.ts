import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ComposeRebuild, differingImages, parseRebuild } from '../../attest/compose-rebuild.ts';
import { isSignedBy, type OpenedEnvelope, parseEnvelope } from '../../attest/dsse.ts';
import { NightlyError } from '../../base/errors.ts';
import { readPublicFile } from '../../base/secret-file.ts';
import type { BuildMeta, RebuildRecord } from '../../build/build-record.ts';
import type { StoredBuild } from '../../build/build-store.ts';
import { standingRebuilds } from '../../build/rebuilds.ts';
import type { Config, RebuilderConfig } from '../../config/config.ts';

/** Somebody whose word about a rebuild counts. */
export interface Rebuilder {
  readonly name: string;
  readonly key: KeyObject;
}

/** A statement of one of them about a build. */
export interface KnownRebuild {
  readonly by: string;
  readonly said: ComposeRebuild;
}

/** What of a configuration says whose word counts. */
type RebuilderPart = Pick<Config, 'rebuilders' | 'placeOf'>;

/** Reads the keys of the rebuilders. @throws NightlyError `config` for one that is none, or that two of them have. */
export async function readRebuilders({ rebuilders, placeOf }: RebuilderPart): Promise<Rebuilder[]> {
  const found: Rebuilder[] = [];
  for (const [index, rebuilder] of rebuilders.entries()) {
    const key = await readKey(rebuilder);
    const same = found.find((one) => one.key.equals(key));
    if (same !== undefined) {
      throw new NightlyError('config', `The rebuilders ${same.name} and ${rebuilder.name} have the same key.`, {
        hint: 'Each of them counts, so each must have a key of its own.',
        place: placeOf('rebuilders', index, 'key'),
      });
    }
    found.push({ name: rebuilder.name, key });
  }
  return found;
}

async function readKey({ name, key: file }: RebuilderConfig): Promise<KeyObject> {
  const hint = 'It begins with "BEGIN PUBLIC KEY"; "openssl ec -in KEY -pubout" prints it.';
  const pem = await readPublicFile(file, { what: `key of rebuilder ${name}`, code: 'config', missing: hint });
  const key = parsePublicKey(pem);
  if (key?.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  throw new NightlyError('config', `${file} holds no public key on the curve P-256 in PEM.`, { hint });
}

function parsePublicKey(pem: Buffer): KeyObject | undefined {
  // Of a private key, which nobody should have here, Node would make the public one.
  if (!pem.toString('latin1').includes('-----BEGIN PUBLIC KEY-----')) return undefined;
  try {
    return createPublicKey(pem);
  } catch {
    return undefined;
  }
}

/**
 * Reads what somebody sent of a build: it counts when a known rebuilder signed it, and it is about the commit that the build has.
 * @param file for messages
 * @throws NightlyError `record` for what is no statement of a rebuild, `verify` for one of somebody unknown or about another build.
 */
export async function readStatement(
  content: Uint8Array,
  file: string,
  { meta, rebuilders }: { readonly meta: BuildMeta; readonly rebuilders: readonly Rebuilder[] },
): Promise<KnownRebuild> {
  const envelope = parseEnvelope(content, file);
  const signer = await signerOf(envelope, rebuilders);
  if (signer === undefined) {
    const known = rebuilders.map(({ name }) => name).join(', ') || 'nobody';
    throw new NightlyError('verify', `${file} has no good signature by a rebuilder that is known here (${known}).`, {
      hint: 'Whoever sent it must be named under "rebuilders", with the public half of the key that signed it.',
    });
  }
  const said = parseRebuild(envelope.payload, file);
  const about: readonly (readonly [string, string | undefined, string])[] = [
    ['build', meta.buildid, said.build.id],
    ['architecture', meta.basearch, said.build.arch],
    ['commit', meta.ostreeCommit, said.commit],
    ['content checksum', meta.ostreeContentChecksum, said.published],
    ...(said.images ?? []).map(
      ({ type, published }) => [`image ${type}`, meta.images?.[type]?.uncompressedSha256, published] as const,
    ),
  ];
  const other = about.find(([, own, its]) => own !== its);
  if (other === undefined) return { by: signer.name, said };
  const [what, own, its] = other;
  throw new NightlyError(
    'verify',
    `${file} is about another build: ${what} ${its}, and that of ${meta.buildid} is ${own}.`,
    {
      hint: 'Name the build that it is about, or have this one composed again.',
    },
  );
}

async function signerOf(envelope: OpenedEnvelope, rebuilders: readonly Rebuilder[]): Promise<Rebuilder | undefined> {
  for (const one of rebuilders) if (await isSignedBy(envelope, one.key)) return one;
  return undefined;
}

/**
 * Refuses a release that rebuilders speak against, or that too few of them have composed again. What the record says is not
 * believed: statements are read again, with the keys that are configured now.
 * @param needed how many must have found it identical
 * @throws NightlyError `gate-failed`, `config`; `record`, `verify` for a stored statement that is no longer what it was
 */
export async function requireRebuilds(
  { meta, paths }: StoredBuild,
  { needed, config }: { readonly needed: number; readonly config: RebuilderPart },
): Promise<void> {
  const rebuilds = (meta.rebuilds ?? []).filter(({ by }) => config.rebuilders.some(({ name }) => name === by));
  if (needed === 0 && rebuilds.length === 0) return;
  const rebuilders = await readRebuilders(config);
  const found: (KnownRebuild & Pick<RebuildRecord, 'at'>)[] = [];
  for (const { statement } of rebuilds) {
    const file = join(paths.dir, statement);
    const known = await readStatement(await readFile(file), file, { meta, rebuilders });
    found.push({ ...known, at: known.said.finishedOn });
  }
  const standing = standingRebuilds(found);
  const against = standing.filter(({ said }) => said.verdict === 'differs');
  const { buildid: id } = meta;
  if (against.length > 0) {
    const lines = against.map(({ by, said }) => `  ${by}: ${differenceText(said)}`);
    throw new NightlyError('gate-failed', `Build ${id} was composed again with another result:\n${lines.join('\n')}`, {
      hint: `Find out who is right, before anything else. Who was wrong composes it again and sends that: "atomic-nightly attest ${id} FILE".`,
    });
  }
  if (standing.length >= needed) return;
  const missing = rebuilders.filter(({ name }) => !standing.some(({ by }) => by === name)).map(({ name }) => name);
  const have = standing.length === 0 ? 'nobody has' : `only ${standing.map(({ by }) => by).join(', ')} has`;
  throw new NightlyError(
    'gate-failed',
    `Build ${id} needs ${needed} rebuilds by others, and ${have} composed it again. Nothing came from ${missing.join(', ')}.`,
    {
      hint: `They run "atomic-nightly rebuild-compose ${id} --from URL --by URI --key FILE"; what they send goes to "atomic-nightly attest ${id} FILE".`,
    },
  );
}

/** Returns in a line what differs: paths, by package as far as packages own them, and images. */
export function differenceText({ differences, images }: Pick<ComposeRebuild, 'differences' | 'images'>): string {
  const { count, paths } = differences;
  const types = differingImages(images);
  const ofImages =
    types.length === 0 ? [] : [`${types.length === 1 ? 'image differs' : 'images differ'}: ${types.join(', ')}`];
  if (count === 0 && types.length > 0) return ofImages.join();
  const packages = [...new Set(paths.flatMap((one) => one.package ?? []))];
  const of = packages.length === 0 ? '' : `, of ${packages.join(', ')}`;
  return [`${count} ${count === 1 ? 'path differs' : 'paths differ'}${of}`, ...ofImages].join('; ');
}
