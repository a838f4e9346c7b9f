import type { SmokeResult } from '../boot/smoke-test.ts';
import type { ImageFile } from '../images/image.ts';
import type { DeltaRecord } from '../ostree/delta-record.ts';
import type { PackageDiff } from '../rpm/pkgdiff.ts';
import type { BuildState } from './events.ts';

/**
 * `meta.json` of a build. The names without a prefix are coreos-assembler's (its v1 schema), so that its tools can read
 * the record; what is ours sits under `atomic-nightly.*`.
 */
export interface BuildMeta {
  readonly name: string;
  readonly buildid: string;
  readonly 'coreos-assembler.basearch': string;
  readonly ref: string;
  readonly 'ostree-version'?: string;
  readonly 'ostree-commit'?: string;
  readonly 'ostree-content-checksum'?: string;
  /** RFC 3339, UTC: the commit's time. */
  readonly 'ostree-timestamp': string;
  readonly 'rpm-ostree-inputhash'?: string;
  readonly pkgdiff?: PackageDiff;
  readonly images?: Readonly<Record<string, ImageFile>>;
  readonly 'atomic-nightly.stream': string;
  readonly 'atomic-nightly.state': BuildState;
  readonly 'atomic-nightly.parent'?: string;
  readonly 'atomic-nightly.engine'?: { readonly name: string; readonly version: string };
  readonly 'atomic-nightly.treefile-digest'?: string;
  /** Targets whose public URL was verified to serve the commit. */
  readonly 'atomic-nightly.published'?: readonly string[];
  readonly 'atomic-nightly.steps'?: readonly { readonly step: string; readonly seconds: number }[];
  readonly 'atomic-nightly.compose'?: {
    readonly initramfs: string;
    readonly kernel?: string;
    readonly phases: readonly { readonly name: string; readonly tool: string; readonly seconds: number }[];
  };
  /** By image type: how the images that came up did so. */
  readonly 'atomic-nightly.smoke-tests'?: Readonly<Record<string, SmokeResult>>;
  /** Images that did not pass their smoke test: here to be looked at, and nowhere published. */
  readonly 'atomic-nightly.refused-images'?: Readonly<Record<string, ImageFile>>;
  /** Static deltas to the commit, with what they save. */
  readonly 'atomic-nightly.deltas'?: readonly DeltaRecord[];
  /** Fingerprints of the keys that signed commit, images and records; not there when nothing is signed. */
  readonly 'atomic-nightly.signed-by'?: readonly string[];
  /** What failed, for an incomplete or failed build. */
  readonly 'atomic-nightly.failures'?: readonly BuildFailure[];
}

export interface BuildFailure {
  readonly step: string;
  readonly code: string;
  readonly message: string;
}
