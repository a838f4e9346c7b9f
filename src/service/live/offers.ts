import { wasTested } from '../../build/about-build.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import type { StoredBuild } from '../../build/build-store.ts';
import { isPublishedState } from '../../build/outcomes.ts';
import type { Config, StreamConfig } from '../../config/config.ts';
import { targetsOf } from '../../config/lookup.ts';
import { keyPath } from '../../published/paths.ts';
import type { OfferedStream } from '../../reports/pages/get-page.ts';
import { encodePath } from '../../reports/pages/links.ts';
import { testedRefOf } from '../../run/streams-on.ts';

/**
 * Returns the streams as their users see them: a release where it was released to, else on the stream's first target.
 */
export function offeredStreams(config: Config, builds: readonly Pick<StoredBuild, 'meta'>[]): OfferedStream[] {
  return Object.values(config.streams).map((stream) => {
    const metas = builds.map(({ meta }) => meta).filter((meta) => meta.stream === stream.name);
    const [tree, images] = [urlOf(config, stream, 'tree'), urlOf(config, stream, 'images')];
    return {
      name: stream.name,
      isRelease: stream.release !== undefined,
      ref: metas[0]?.ref ?? stream.ref ?? '',
      remote: { name: stream.remote.name, url: `${tree}/repo` },
      url: images,
      testedRef: testedRefOf(stream, metas[0]?.ref ?? stream.ref ?? '') ?? '',
      isTested: (meta) => wasTested(stream, meta),
      keyUrl: stream.signing ? `${images}/${keyPath(stream.name)}` : '',
      builds: metas.filter((meta) => isPublished(config, meta)),
    };
  });
}

/** URL of the folder of a build on the first target that has it; undefined when none has. */
export function folderOf(config: Config, stream: StreamConfig, meta: BuildMeta): string | undefined {
  if (!isPublished(config, meta)) return undefined;
  const released = meta.release !== undefined;
  const url = urlOf(config, stream, released ? 'images' : 'staging');
  return `${url}/builds/${encodePath(`${meta.buildid}/${meta.basearch}`)}`;
}

/** URL of the first target of the configuration: what names the feed. */
export function publicUrlOf(config: Config): string {
  return Object.values(config.targets)[0]?.url ?? '';
}

/** Its records are sent last: a build that is still under way may be half there. */
function isPublished(config: Config, meta: BuildMeta): boolean {
  const there = meta.published ?? [];
  const ended = isPublishedState(meta.state);
  return ended && there.some((name) => Object.hasOwn(config.targets, name));
}

function urlOf(config: Config, stream: StreamConfig, what: 'tree' | 'images' | 'staging'): string {
  const released = what === 'staging' ? undefined : stream.release?.to?.[what][0];
  const target = released === undefined ? targetsOf(config, stream)[0] : config.targets[released];
  return target?.url ?? '';
}
