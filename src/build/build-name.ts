import { NightlyError } from '../base/errors.ts';
import { oneLine } from '../base/one-line.ts';
import { isReleased } from './about-build.ts';
import { comparePlaced, isBuildId } from './build-id.ts';
import type { BuildMeta } from './build-record.ts';
import { type BuildSurvey, insistOnWhole, placeOf, surveyBuilds } from './build-store.ts';
import { readTag, TAG_NAME } from './build-tags.ts';

interface Kind {
  readonly what: string;
  readonly has: (meta: BuildMeta) => boolean;
}

/** Words that stand for the newest build of a kind, and what a build of that kind has. */
const KINDS: Readonly<Record<string, Kind>> = {
  latest: { what: 'complete build', has: ({ state }) => state === 'complete' },
  tested: {
    what: 'complete build whose images were booted',
    has: ({ state, smokeTests }) => state === 'complete' && Object.keys(smokeTests ?? {}).length > 0,
  },
  released: { what: 'release', has: (meta) => isReleased(meta) },
};

const NEWEST = new RegExp(`^(${Object.keys(KINDS).join('|')})(?::([A-Za-z0-9._-]+))?$`);
/** A shell's command line has `~` where people write `-`: see withoutMinus. */
const BACK = /^[-~]([1-9]\d{0,5})$/;
const PREFIX = /^\d{4,8}(?:_\d*)?$/;

/** The words, for the completion of a shell. */
export const BUILD_NAMES: readonly string[] = Object.keys(KINDS);

/**
 * Returns the id of the build that a name stands for: `latest`, `tested`, `released`, each also `NAME:STREAM`; `-1` for the newest of all,
 * whatever became of it, `-2` for the one before; the beginning of one build's id; or a tag. What is a build id already, or none of
 * these, is returned as it is: who asked for a build knows what else it may be.
 * @throws NightlyError `not-found`, `usage` when several ids begin so, `record` when a damaged record may be the one that is meant.
 */
export async function resolveBuildName(workDir: string, name: string): Promise<string> {
  if (isBuildId(name)) return name;
  const [, word = '', stream] = NEWEST.exec(name) ?? [];
  const kind = KINDS[word];
  if (kind) return newestOf(await surveyBuilds(workDir), kind, stream);
  const back = BACK.exec(name)?.[1];
  if (back !== undefined) return nthNewest(idsOf(await surveyBuilds(workDir)), Number(back));
  if (PREFIX.test(name)) return onlyOneWith(idsOf(await surveyBuilds(workDir)), name);
  return (TAG_NAME.test(name) ? await readTag(workDir, name) : undefined)?.build ?? name;
}

/** Refuses what no tag may be called: what names a build already, now or later. @throws NightlyError `usage` */
export function refuseTagName(name: string): void {
  const refuse = (why: string): never => {
    throw new NightlyError('usage', `"${oneLine(name).slice(0, 80)}" cannot be the name of a tag: ${why}.`, {
      hint: 'Begin with a letter, then up to 62 letters, digits, ".", "_" and "-", as in before-kernel-change.',
    });
  };
  if (isBuildId(name)) refuse('it is a build id');
  if (BACK.test(name)) refuse('it stands for a build by its place in "list"');
  if (PREFIX.test(name)) refuse('it is the beginning of build ids');
  if (BUILD_NAMES.includes(name.toLowerCase().split(':')[0] ?? ''))
    refuse('that word stands for the newest build of a kind');
  if (!TAG_NAME.test(name)) refuse('it has characters, or a length, that names of tags have not');
}

/** The ids of all builds, newest first, as "list" has them. */
function idsOf({ builds, damaged }: BuildSurvey): string[] {
  const places = [...builds.map(({ meta }) => placeOf(meta)), ...damaged.map(({ id }) => ({ id }))];
  return [...new Set(places.toSorted((a, b) => comparePlaced(b, a)).map(({ id }) => id))];
}

function newestOf(survey: BuildSurvey, { what, has }: Kind, stream: string | undefined): string {
  const found = survey.builds.find(({ meta }) => has(meta) && (stream === undefined || meta.stream === stream));
  insistOnWhole(survey, found?.meta.buildid);
  if (found) return found.meta.buildid;
  throw notFound(`There is no ${what}${stream === undefined ? '' : ` of stream "${stream}"`} here.`);
}

function nthNewest(ids: readonly string[], count: number): string {
  const id = ids[count - 1];
  if (id !== undefined) return id;
  throw notFound(
    `There is no build -${count}: ${ids.length === 0 ? 'there is none' : `there are ${ids.length}`} here.`,
  );
}

function onlyOneWith(ids: readonly string[], prefix: string): string {
  const [only, ...others] = ids.filter((id) => id.startsWith(prefix));
  if (only === undefined) throw notFound(`There is no build whose id begins with "${prefix}".`);
  if (others.length === 0) return only;
  throw new NightlyError(
    'usage',
    `${others.length + 1} builds begin with "${prefix}": ${[only, ...others].join(', ')}.`,
    {
      hint: 'Name one of them.',
    },
  );
}

const notFound = (message: string): NightlyError =>
  new NightlyError('not-found', message, { hint: 'Run "atomic-nightly list" to see the builds there are.' });
