import { currentState } from '../../build/about-build.ts';
import { tagsOf } from '../../build/build-tags.ts';
import { testsOrNone } from '../../build/tests-record.ts';
import { buildPage } from '../../reports/pages/build-page.ts';
import { releaseJournal } from '../../run/build.ts';
import { streamNeeds } from '../../run/stream-needs.ts';
import { takeSnapshot, type WebContext } from './live-context.ts';
import { folderOf } from './offers.ts';

/** Returns the page of a build; undefined when there is none of that id and architecture. */
export async function liveBuildPage(context: WebContext, id: string, arch: string) {
  const { work, config } = context;
  const build = await work.build(id, arch);
  if (!build) return undefined;
  const { builds, holder } = await takeSnapshot(context);
  const { meta, paths } = build;
  const name = meta.stream;
  const stream = Object.hasOwn(config.streams, name) ? config.streams[name] : undefined;
  const folder = stream && folderOf(config, stream, meta);
  return buildPage({
    meta,
    state: currentState(build, holder !== undefined),
    ownTests: await testsOrNone(paths),
    others: builds.map((other) => other.meta),
    live: true,
    tags: tagsOf(await work.tags(), id),
    published: folder !== undefined,
    folder,
    run: {
      entries: await work.journal(paths.journal),
      releaseEntries: await work.journal(releaseJournal(paths)),
      since: holder ? Date.parse(holder.since) : Number.POSITIVE_INFINITY,
      ...streamNeeds(config, name),
    },
  });
}
