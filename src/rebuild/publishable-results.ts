import { parseNevra } from '../rpm/evr.ts';
import type { TaggedRpm } from '../rpm/repository/layout.ts';
import type { JudgedResult } from './standings.ts';

/** An accepted package. */
export interface PublishableRpm extends TaggedRpm {
  readonly nevra: string;
  /** SHA-256 of its immutable header. */
  readonly header: string;
  /** The job whose file it is. */
  readonly job: string;
  readonly file: string;
  readonly sha256: string;
}

/**
 * Returns the packages that may be published: those of accepted results, and of nothing else (I18). Of a name and version that two
 * build roots gave different packages of, the one that arrived first stays.
 */
export function publishableRpms(judged: readonly JudgedResult[]): PublishableRpm[] {
  const found = new Map<string, PublishableRpm>();
  for (const { result, standing } of judged) {
    if (standing !== 'accepted') continue;
    for (const { nevra, header, file, sha256 } of result.packages) {
      const parsed = parseNevra(nevra);
      if (parsed === undefined || found.has(nevra)) continue;
      const { name, version, release, arch } = parsed;
      found.set(nevra, { ...{ name, version, release, arch, nevra, header, file, sha256 }, job: result.job });
    }
  }
  return [...found.values()];
}
