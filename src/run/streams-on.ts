import { NightlyError } from '../base/errors.ts';
import { didYouMean } from '../base/nearest.ts';
import type { Config, StreamConfig, TargetConfig } from '../config/config.ts';
import { isFolderEngine } from '../config/engine.ts';
import { refOf, type TargetUse, targetUses } from '../config/lookup.ts';
import { readTreefile } from '../treefile/read.ts';

/** A stream that uses a target, with the refs it moves. */
export interface StreamRefs {
  readonly stream: StreamConfig;
  readonly ref: string;
  /** Undefined for streams without a smoke test. */
  readonly testedRef?: string | undefined;
  /** What of it the target gets. */
  readonly use: TargetUse;
}

/**
 * Returns the streams of which something goes to a target, by publishing or by a release. @throws NightlyError
 * `treefile`, `config` when one has no ref.
 */
export async function streamsOn(config: Config, target: string): Promise<StreamRefs[]> {
  const found: StreamRefs[] = [];
  for (const stream of Object.values(config.streams)) {
    const use = targetUses(stream).get(target);
    if (!use) continue;
    const treefile =
      stream.ref === undefined && !isFolderEngine(stream.engine)
        ? await readTreefile(stream.treefile, { basearch: stream.arch })
        : undefined;
    const ref = refOf(config, stream, treefile?.values.ref);
    const testedRef = testedRefOf(stream, ref);
    found.push({ stream, ref, use, testedRef });
  }
  return found;
}

/** Returns the ref that follows once the smoke test has passed; undefined for streams without one. */
export function testedRefOf({ smokeTest, testedRef }: StreamConfig, ref: string): string | undefined {
  return smokeTest === false ? undefined : (testedRef ?? `${ref}-tested`);
}

/** Returns the target of that name, or all of them. @throws NightlyError `usage` when there is none of that name. */
export function targetsNamed({ targets, path }: Config, name: string | undefined): TargetConfig[] {
  if (name === undefined) return Object.values(targets);
  // Own entries only: a target called "constructor" must not be found on the prototype.
  const target = Object.hasOwn(targets, name) ? targets[name] : undefined;
  if (target) return [target];
  const names = Object.keys(targets);
  throw new NightlyError('usage', `There is no target "${name}".${didYouMean(name, names)}`, {
    hint: `Targets in ${path}: ${names.join(', ')}.`,
  });
}
