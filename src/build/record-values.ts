import { z } from 'zod';
import { isRef } from '../ostree/ref.ts';
import { isBuildId } from './build-id.ts';

/** Values that records hold and that become a path, a ref or a name somewhere: each with the one rule for it. */

/** `YYYYMMDD_NN`, as a build id is given out. */
export const buildId = z.string().refine(isBuildId, 'must be a build id, as in 20261121_01');

/** An architecture in RPM's name, as in `x86_64`. The name of a folder, so neither a path nor a word of JavaScript's own. */
export const architecture = z.string().refine(isArchitecture, 'must be an architecture, as in x86_64');

/** Whether a text may be the name of an architecture, and so of a folder. */
export function isArchitecture(text: string): boolean {
  return /^(?!constructor$)[a-z][a-z0-9]{1,15}(_[a-z0-9]{1,15})?$/.test(text);
}

/** Whether a path is that of a build's folder below `builds/`: its id and an architecture. */
export function isBuildFolder(path: string): boolean {
  const [id = '', arch = '', ...more] = path.split('/');
  return isBuildId(id) && isArchitecture(arch) && more.length === 0;
}

/** SHA-256 in lower-case hex; the name of an ostree object is one, too. */
export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex');

/** Fingerprint of an OpenPGP key, version 4 or later. */
export const fingerprint = z.string().regex(/^[0-9A-Fa-f]{40,64}$/, 'must be a fingerprint');

/** A ref, by ostree's own rule. */
export const refName = z.string().max(255).refine(isRef, 'must be the name of a ref');

/** The name of a stream, target, image type or step, as the configuration has them. */
export const word = z
  .string()
  .max(200)
  .regex(/^(?!constructor$)[A-Za-z0-9][\w.-]*$/, 'must be a name of letters, digits, ".", "_" and "-"');

/** A moment, in RFC 3339 or a form of ISO 8601 near it. */
export const instant = z
  .string()
  .refine(
    (text) => /^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(Date.parse(text)),
    'must be a time, as RFC 3339 has it',
  );

/** Bytes, or how many of something. */
export const count = z.int().min(0);

/** Whether a text is a path below some folder that cannot lead out of it, on any kind of target and on any system. */
export function isPathBelow(text: string): boolean {
  // Control characters and U+202E and its like are no part of a name of ours either.
  if (text === '' || text.length > 1000 || /[\\\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)) return false;
  return text.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && part.length <= 255);
}

/** A relative path that stays below the folder it belongs to. */
export const pathBelow = z.string().refine(isPathBelow, 'must be a relative path that stays in its folder');

/** What a build's folder holds beside its images: no image may have such a name, or removing it would remove a record. */
const RECORDS =
  /^((meta|steps|lockfile|treefile|diff|advisories|fetched|tests|upstream)\.json|SHA256SUMS|journal\.ndjson|(index|review)\.html|(logs|release|rebuilds|publish|treefile|tests)(\/.*)?)(\.asc)?$/;

/** Path of an image in its build's folder. */
export const imagePath = pathBelow.refine((text) => !RECORDS.test(text), 'must not be that of a record');

/** Images by type, of which a reader needs these values, and the same of the statement beside each. */
export const imagesWith = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.record(word, z.looseObject({ ...shape, 'atomic-nightly.statement': z.looseObject(shape).exactOptional() }));
