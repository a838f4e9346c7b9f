import { z } from 'zod';
import { FORMATS } from '../base/format-versions.ts';
import { damaged, type RecordFormat, readRecord, recordFormat, recordText } from '../base/read-record.ts';
import type { ImageFile } from '../images/image.ts';
import type { DeltaRecord } from '../ostree/delta-record.ts';
import { isRepoId } from '../rpm/rpm-names.ts';
import { fixedAdvisories } from './build-advisories.ts';
import type { BuildMeta, PromotionRecord } from './build-record.ts';
import {
  architecture,
  buildId,
  count,
  fingerprint,
  imagePath,
  instant,
  pathBelow,
  refName,
  sha256Hex,
  word,
} from './record-values.ts';
import { STOPS } from './stops.ts';

const text = z.string();
const seconds = z.number().min(0);

const diffPackage = z.tuple([text, text, text]);

const packageChange = z.tuple([
  text,
  z.literal([0, 1, 2, 3]),
  z.looseObject({ PreviousPackage: diffPackage.exactOptional(), NewPackage: diffPackage.exactOptional() }),
]);

const image = z.looseObject({
  path: imagePath,
  sha256: sha256Hex,
  size: count,
  'uncompressed-sha256': sha256Hex,
  'uncompressed-size': count,
  'atomic-nightly.commit': sha256Hex,
  'atomic-nightly.template-digest': text,
  'atomic-nightly.values': z.record(text, z.union([text, z.number()])).exactOptional(),
  'atomic-nightly.boot-loader': text.exactOptional(),
  'atomic-nightly.statement': z.looseObject({ path: imagePath, sha256: sha256Hex, size: count }).exactOptional(),
});

const images = z.record(word, image);

const unit = z.looseObject({ unit: text, reason: text });

const stepTimes = z.array(z.looseObject({ step: word, seconds }));

const smokeTest = z.looseObject({
  state: z.literal(['running', 'degraded']),
  failedUnits: z.array(unit),
  accelerator: z.literal(['kvm', 'tcg']),
  bootSeconds: seconds,
  checkSeconds: seconds,
  serialLog: text,
  healthChecks: z.array(text).exactOptional(),
});

const inputs = z.looseObject({
  repositories: z.record(text.refine(isRepoId), z.looseObject({ url: text, repomd: sha256Hex, generated: text })),
  checkout: z.looseObject({ revision: text, dirty: z.boolean(), url: text.exactOptional() }).exactOptional(),
  programs: z.looseObject({ 'atomic-nightly': text, ostree: text }),
});

const promotion = z.looseObject({
  of: buildId,
  commit: sha256Hex,
  stream: word,
  attempt: z.int().min(1),
  recommit: z.boolean(),
  reason: text.exactOptional(),
  overrides: z.array(text),
  excludes: z.array(text),
  upstream: text.exactOptional(),
  cycle: z.int().exactOptional(),
  'last-release': buildId.exactOptional(),
  'accept-differences': z.boolean(),
  'differences-accepted': z.looseObject({ count, paths: z.array(text) }).exactOptional(),
  supersedes: z.array(buildId),
});

const deltas = z.array(
  z.looseObject({
    from: sha256Hex.exactOptional(),
    to: sha256Hex,
    bytes: count,
    'object-bytes': count,
    objects: count,
    seconds,
  }),
);

const failure = z.looseObject({ step: text, code: text, message: text, hint: text.exactOptional() });

/** How a build may stand; a state of a later version is damage to this one, which does not know what it means. */
export const buildState = z.literal([
  'running',
  'interrupted',
  'unchanged',
  'failed',
  'incomplete',
  'gate-failed',
  'complete',
]);

const schema = z.looseObject({
  name: text,
  buildid: buildId,
  'coreos-assembler.basearch': architecture,
  ref: refName,
  'ostree-version': text.exactOptional(),
  'ostree-commit': sha256Hex.exactOptional(),
  'ostree-content-checksum': sha256Hex.exactOptional(),
  'ostree-timestamp': instant,
  'rpm-ostree-inputhash': text.exactOptional(),
  pkgdiff: z.array(packageChange).exactOptional(),
  images: images.exactOptional(),
  'atomic-nightly.advisories': fixedAdvisories.exactOptional(),
  'atomic-nightly.advisories-unread': z.array(text).exactOptional(),
  'atomic-nightly.stream': word,
  'atomic-nightly.state': buildState,
  'atomic-nightly.parent': sha256Hex.exactOptional(),
  'atomic-nightly.engine': z.looseObject({ name: text, version: text }).exactOptional(),
  'atomic-nightly.inputs': inputs.exactOptional(),
  'atomic-nightly.treefile-digest': text.exactOptional(),
  'atomic-nightly.treefile-copy': pathBelow.exactOptional(),
  'atomic-nightly.promotion': promotion.exactOptional(),
  'atomic-nightly.approvals': z
    .array(z.looseObject({ by: text, at: instant, note: text.exactOptional() }))
    .exactOptional(),
  'atomic-nightly.rebuilds': z
    .array(
      z.looseObject({
        by: word,
        verdict: z.literal(['identical', 'differs']),
        at: instant,
        statement: pathBelow,
        differences: count,
        images: z.array(z.looseObject({ type: word, verdict: z.literal(['identical', 'differs']) })).exactOptional(),
      }),
    )
    .exactOptional(),
  'atomic-nightly.release': z
    .looseObject({
      at: instant,
      withdrawn: z.looseObject({ at: instant, reason: text, by: buildId }).exactOptional(),
    })
    .exactOptional(),
  'atomic-nightly.withdrawal': z.looseObject({ of: buildId, previous: buildId, reason: text }).exactOptional(),
  'atomic-nightly.retraction': z
    .looseObject({ of: buildId, previous: buildId, between: z.array(buildId), reason: text })
    .exactOptional(),
  'atomic-nightly.retracted': z.looseObject({ at: instant, reason: text, by: buildId }).exactOptional(),
  'atomic-nightly.superseded-by': buildId.exactOptional(),
  'atomic-nightly.published': z.array(word).exactOptional(),
  'atomic-nightly.steps': stepTimes.exactOptional(),
  'atomic-nightly.compose': z
    .looseObject({
      initramfs: text,
      kernel: text.exactOptional(),
      phases: z.array(z.looseObject({ name: text, tool: text, seconds })),
    })
    .exactOptional(),
  'atomic-nightly.smoke-tests': z.record(word, smokeTest).exactOptional(),
  'atomic-nightly.refused-images': images.exactOptional(),
  'atomic-nightly.deltas': deltas.exactOptional(),
  'atomic-nightly.tree': z.looseObject({ objects: count, bytes: count }).exactOptional(),
  'atomic-nightly.signed-by': z.array(fingerprint).exactOptional(),
  'atomic-nightly.forced': z.literal(true).exactOptional(),
  'atomic-nightly.stopped-after': z.literal(STOPS).optional(),
  'atomic-nightly.pending-images': z.array(word).exactOptional(),
  'atomic-nightly.failures': z.array(failure).exactOptional(),
});

/** The stored form of a `meta.json`, for descriptions of it; `readBuildMeta` reads one. */
export const BUILD_RECORD_SCHEMA: z.ZodType = schema;

const META: RecordFormat<BuildMeta> = recordFormat({
  version: FORMATS.build,
  schema,
  hint: 'Bring it back from a backup or a target that has it, or rename it, and the build counts as one that was never made. Until then what depends on it waits, and nothing of it is removed.',
});

/** Returns the text of a `meta.json`. */
export function buildMetaText(meta: Partial<BuildMeta>): string {
  return recordText<Partial<BuildMeta>>(meta, META);
}

/** Returns a record with the keys it is stored with, as `--json` prints it. */
export function storedMeta(meta: BuildMeta): object {
  return META.encode(meta);
}

/** A promotion, as `promote --dry-run --json` prints it. */
export const PROMOTION: RecordFormat<PromotionRecord> = recordFormat({ schema: promotion, hint: '' });

/** Images and deltas, as a journal keeps them among the inputs and results of steps. */
export const IMAGE: RecordFormat<ImageFile> = recordFormat({ schema: image, hint: '' });
export const IMAGES: RecordFormat<Readonly<Record<string, ImageFile>>> = recordFormat({ schema: images, hint: '' });
export const DELTAS: RecordFormat<readonly DeltaRecord[]> = recordFormat({ schema: deltas, hint: '' });

/**
 * Reads the `meta.json` of the build that a folder is named after.
 * @param place the file, with its target where it is on one
 * @throws NightlyError `record` when it is damaged, or says that it is another build's: it must not name paths of that one.
 */
export function readBuildMeta(
  content: string | Uint8Array,
  { id, arch }: { readonly id: string; readonly arch: string },
  place: string,
): BuildMeta {
  const meta = readRecord(content, META, place);
  const [its, on] = [meta.buildid, meta.basearch];
  if (its !== id || on !== arch) throw damaged(place, `it is the record of build ${its} for ${on}`, META.hint);
  return meta;
}

const STEP_TIMES = recordFormat({ schema: stepTimes, hint: 'Remove it: it says only how long steps took.' });

/** Reads the `steps.json` of a build: how long its steps took. @throws NightlyError `record`. */
export function readStepTimes(content: string | Uint8Array, place: string): NonNullable<BuildMeta['steps']> {
  return readRecord(content, STEP_TIMES, place);
}
