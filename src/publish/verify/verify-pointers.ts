import { readRecord } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { latestPath, TESTED_POINTER, testedPath } from '../../published/stream-files.ts';
import { BOX_CATALOGUE, boxesPath } from '../../published/vagrant-catalogue.ts';
import type { PublicFiles } from './public-http.ts';
import type { PublishedBuild } from './verify-builds.ts';
import { attempt, RECONCILE_HINT, type Report } from './verify-report.ts';

export interface PointersInspection {
  readonly files: PublicFiles;
  /** Public URL of the target. */
  readonly url: string;
  readonly streams: readonly { readonly name: string; readonly vagrantBox: string }[];
  readonly builds: readonly PublishedBuild[];
  /** Refs with the commits that the summary names. */
  readonly refs: ReadonlyMap<string, { readonly commit: string }>;
}

const HINT = 'The next build of the stream writes it again; move a damaged file away first.';

/** Looks whether each stream's `tested.json`, `latest.json` and box catalogue lead to what is there; a stream may have none yet. */
export async function inspectPointers(request: PointersInspection, report: Report, task: Task): Promise<void> {
  for (const { name, vagrantBox } of request.streams) {
    await attempt(report, testedPath(name), HINT, task.signal, () => testedFits(request, name, report));
    await attempt(report, latestPath(name), HINT, task.signal, () => latestFits(request, name, report));
    await attempt(report, boxesPath(vagrantBox), HINT, task.signal, () => boxesFit(request, vagrantBox, report));
  }
}

async function testedFits(request: PointersInspection, name: string, report: Report): Promise<void> {
  const path = testedPath(name);
  for (const { arch, build, commit, ref, there } of await entriesOf(request, path)) {
    const named = request.refs.get(ref)?.commit;
    const why = !there
      ? `names build ${build}, which the index does not have`
      : there.commit !== commit
        ? `names commit ${commit} for build ${build}, whose record says ${there.commit ?? 'none'}`
        : named !== commit
          ? `names commit ${commit}, but the ref ${ref} names ${named ?? 'nothing'}`
          : undefined;
    if (why === undefined) report.ok(`${path}, ${arch}`, `build ${build}`);
    else report.fault(`${path}, ${arch}`, why, 'Publish the tested build again: "atomic-nightly publish".');
  }
}

/** The commit is not looked at: after a withdrawal it is one that has the tree of this release, and is none itself. */
async function latestFits(request: PointersInspection, name: string, report: Report): Promise<void> {
  const path = latestPath(name);
  for (const { arch, build, there } of await entriesOf(request, path)) {
    if (there) report.ok(`${path}, ${arch}`, `build ${build}`);
    else report.fault(`${path}, ${arch}`, `names build ${build}, which the index does not have`, RECONCILE_HINT);
  }
}

/**
 * Returns what a pointer names for each architecture, with the build it leads to; nothing where there is no such file.
 */
async function entriesOf({ files, builds }: PointersInspection, path: string) {
  const bytes = await files.get(path);
  if (!bytes) return [];
  const { arches } = readRecord(bytes, TESTED_POINTER, path);
  return Object.entries(arches).map(([arch, entry]) => {
    const there = builds.find((one) => one.id === entry.build && one.arch === arch);
    return { arch, ...entry, there };
  });
}

async function boxesFit({ files, builds, url }: PointersInspection, box: string, report: Report): Promise<void> {
  const path = boxesPath(box);
  const bytes = await files.get(path);
  if (!bytes) return;
  const images = new Map(builds.flatMap((build) => [...build.images]));
  let good = 0;
  for (const { version, providers } of readRecord(bytes, BOX_CATALOGUE, path).versions) {
    for (const provider of providers) {
      const what = `${path}, ${version} for ${provider.name}`;
      const at = provider.url.startsWith(`${url}/`) ? provider.url.slice(url.length + 1) : undefined;
      const image = at === undefined ? undefined : images.get(at);
      if (at === undefined) report.fault(what, `leads to another place, ${provider.url}`, HINT);
      else if (!image && (await files.size(at)) === undefined) report.fault(what, `${at} is not there`, RECONCILE_HINT);
      else if (image && image.sha256 !== provider.checksum)
        report.fault(what, "its checksum is not that of the build's record", HINT);
      else good += 1;
    }
  }
  report.ok(path, `${good} boxes are there`);
}
