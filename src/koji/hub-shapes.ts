import { z } from 'zod';

/**
 * Shapes of what koji 1.21 to 1.35 answers, as far as it is used; keys that are not named here are left out. Names that
 * become paths are checked where the path is made (`koji-files.ts`).
 */

const id = z.int().nonnegative();
const event = z.int().positive();
const text = z.string();

/** An event: everything that a hub does has one, and reads can be made as of one. */
export const eventShape = z.object({ id: event, ts: z.number() });

/** A tag. `arches`: names with blanks between them; null where the tag has none of its own. */
export const tagShape = z.object({
  id,
  name: text,
  arches: text.nullable(),
  locked: z.boolean(),
});

/** A build in a tag. `tag_name` is where it was tagged, which may be a parent of the tag that was asked for. */
export const taggedBuildShape = z.object({
  id,
  nvr: text,
  name: text,
  version: text,
  release: text,
  epoch: z.int().nullable(),
  volume_name: text,
  state: z.int(),
  tag_name: text,
  owner_name: text,
  create_event: event,
  draft: z.boolean().default(false),
});

/** An RPM with one of its signatures: a row for each. `sigkey`: eight hexadecimal digits, empty for the unsigned header. */
export const taggedRpmShape = z.object({
  id,
  name: text,
  version: text,
  release: text,
  epoch: z.int().nullable(),
  arch: text,
  build_id: id,
  size: z.int().nonnegative().nullable(),
  payloadhash: text,
  buildtime: z.int(),
  sigkey: z.string().regex(/^(?:[0-9a-f]{8})?$/, 'must be a key id of eight digits, or empty'),
  metadata_only: z.boolean(),
  draft: z.boolean().default(false),
});

/** A build that came into a tag, and whether and when it left. */
export const historyShape = z.object({
  'tag.name': text,
  tag_id: id,
  build_id: id,
  name: text,
  version: text,
  release: text,
  create_event: event,
  create_ts: z.number(),
  creator_name: text,
  revoke_event: event.nullable(),
  revoke_ts: z.number().nullable(),
  revoker_name: text.nullable(),
  active: z.boolean().nullable(),
});

/** A signature that the hub keeps. `sighash`: MD5 of the whole signature header. */
export const rpmSignatureShape = z.object({
  rpm_id: id,
  sigkey: text,
  sighash: z.string().regex(/^[0-9a-f]{32}$/, 'must be an MD5'),
});

export const userShape = z.object({ id, name: text });

export type HubEvent = z.output<typeof eventShape>;
export type TaggedBuild = z.output<typeof taggedBuildShape>;
export type TaggedRpm = z.output<typeof taggedRpmShape>;
export type HistoryEntry = z.output<typeof historyShape>;
export type RpmSignature = z.output<typeof rpmSignatureShape>;
export type HubTag = z.output<typeof tagShape>;
