import { asNightlyError } from '../../base/as-nightly-error.ts';
import { surveyBuilds } from '../../build/build-store.ts';
import type { Config } from '../../config/config.ts';
import { ARCH } from '../../config/tag-pattern.ts';
import { assignTags } from '../../content/assign-tags.ts';
import type { Service } from '../service.ts';
import type { ServiceLog } from '../service-log.ts';

/**
 * Starts the nightly builds of the streams whose last build read one of the repositories of a tag that was published; the time
 * from the first request until it starts covers further ones (`service.trigger.debounce`).
 */
export async function startNightsOf(
  config: Config,
  tag: string,
  service: Pick<Service, 'trigger'>,
  log: ServiceLog,
): Promise<void> {
  try {
    const isOfTag = repositoriesOf(config, tag);
    const { builds } = await surveyBuilds(config.work);
    for (const { name, release } of Object.values(config.streams)) {
      if (release) continue;
      const last = builds.find(({ meta }) => meta.stream === name && meta.inputs !== undefined);
      const used = Object.values(last?.meta.inputs?.repositories ?? {}).some(({ url }) => isOfTag(url));
      if (used) await service.trigger(name, `the publication of ${tag}`);
    }
  } catch (error) {
    log(`error: content: ${tag}: ${asNightlyError(error).message}`, { tag });
  }
}

/** Returns whether a URL is that of a repository of a tag, of whatever architecture. */
function repositoriesOf({ content, targets }: Config, tag: string): (url: string) => boolean {
  const [assigned] = content ? assignTags(content, [tag]).assigned : [];
  const urls = [assigned?.packages, assigned?.debuginfo, assigned?.source].flatMap((place) => {
    const target = place && Object.hasOwn(targets, place.target) ? targets[place.target] : undefined;
    return place && target ? [`${target.url.replace(/\/+$/, '')}/${place.path}`.split(`<${ARCH}>`)] : [];
  });
  return (url) => {
    const plain = url.replace(/\/+$/, '');
    return urls.some(([before = '', after]) => {
      if (after === undefined) return plain === before;
      if (!plain.startsWith(before) || !plain.endsWith(after)) return false;
      return /^[^/]+$/.test(plain.slice(before.length, plain.length - after.length));
    });
  };
}
