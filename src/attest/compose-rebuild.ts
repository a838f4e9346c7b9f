import { z } from 'zod';
import { damaged, readRecord, recordFormat } from '../base/read-record.ts';
import { architecture, buildId, count, instant, refName, sha256Hex, word } from '../build/record-values.ts';
import { isPackageName } from '../rpm/rpm-names.ts';
import { STATEMENT, statementBytes } from './statement.ts';

/** Says what the statement is: that somebody composed a published build again, and what came of it. */
export const REBUILD_PREDICATE = 'urn:atomic-nightly:compose-rebuild:1';

/** Name of the subject that is no file: SHA-256 over root dirtree and dirmeta, as `ostree show` prints it. */
const CONTENT = 'ostree-content-checksum';

/** What may stand in a line for people. */
const line = z
  .string()
  .min(1)
  .max(1000)
  .refine((text) => !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(text), 'must be one line of text');

const predicate = z.strictObject({
  /** URI of whoever rebuilt it and answers for that. */
  rebuilder: line,
  build: z.strictObject({ id: buildId, arch: architecture, stream: word, ref: refName }),
  verdict: z.literal(['identical', 'differs']),
  /** Content checksum of the tree that came of it. */
  rebuilt: sha256Hex,
  /** How many paths differ, and the first of them with the packages that own them. */
  differences: z.strictObject({
    count,
    paths: z
      .array(
        z.strictObject({
          path: line,
          kind: z.literal(['added', 'removed', 'changed']),
          package: z.string().refine(isPackageName, 'must be the name of a package').exactOptional(),
        }),
      )
      .max(50),
  }),
  /** Images that were made again from the published commit, by type: `uncompressed-sha256` of both. */
  images: z
    .array(z.strictObject({ type: word, published: sha256Hex, rebuilt: sha256Hex }))
    .max(50)
    .exactOptional(),
  /** The published records that it was made from. */
  inputs: z.array(z.strictObject({ name: line, digest: z.strictObject({ sha256: sha256Hex }) })).max(20),
  /** Versions of the programs that made it. */
  versions: z.record(word, line),
  startedOn: instant,
  finishedOn: instant,
});

/** What somebody says who composed a build again. */
export interface ComposeRebuild extends z.output<typeof predicate> {
  /** The published commit. */
  readonly commit: string;
  /** Its content checksum. */
  readonly published: string;
}

/** Returns the in-toto statement of a rebuild, version 1. Format: https://in-toto.io/Statement/v1, docs/rebuild-compose.md. */
export function rebuildStatement({ commit, published, ...rest }: ComposeRebuild): Buffer {
  const subjects = [
    { name: commitPath(commit), digest: { sha256: commit } },
    { name: CONTENT, digest: { sha256: published } },
  ];
  return statementBytes(subjects, REBUILD_PREDICATE, rest);
}

/** Returns the types of the images that came out otherwise. */
export const differingImages = (images: ComposeRebuild['images'] | undefined = []): string[] =>
  images.filter(({ published, rebuilt }) => published !== rebuilt).map(({ type }) => type);

/** The checksum of a commit is the SHA-256 of the file it is in. */
const commitPath = (commit: string): string => `repo/objects/${commit.slice(0, 2)}/${commit.slice(2)}.commit`;

const subject = z.strictObject({ name: z.string(), digest: z.strictObject({ sha256: sha256Hex }) });

const FORMAT = recordFormat({
  schema: z.strictObject({
    _type: z.literal(STATEMENT),
    subject: z.tuple([subject, subject]),
    predicateType: z.literal(REBUILD_PREDICATE),
    predicate,
  }),
  hint: 'Ask whoever sent it for what "rebuild-compose" wrote.',
});

/**
 * Reads the statement of a rebuild. Who signed it, and whether that means anything, is not its business.
 * @param place the file, for messages
 * @throws NightlyError `record` when it is none, or contradicts itself.
 */
export function parseRebuild(payload: Uint8Array, place: string): ComposeRebuild {
  const { subject: subjects, predicate: said } = readRecord(payload, FORMAT, place);
  const [commit, content] = subjects;
  const refuse = (why: string) => damaged(place, why, FORMAT.hint);
  if (commit.name !== commitPath(commit.digest.sha256) || content.name !== CONTENT)
    throw refuse('its subjects are not a commit and its content');
  const published = content.digest.sha256;
  const isSameTree = said.rebuilt === published;
  const isSame = isSameTree && differingImages(said.images).length === 0;
  if (isSame !== (said.verdict === 'identical') || (isSameTree && said.differences.count > 0))
    throw refuse(`its verdict is "${said.verdict}", and its checksums say otherwise`);
  return { ...said, commit: commit.digest.sha256, published };
}
