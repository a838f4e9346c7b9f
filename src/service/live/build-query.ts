import { z } from 'zod';
import { OUTCOMES } from '../../build/outcomes.ts';
import { buildId } from '../../build/record-values.ts';
import { changeFinder, type FoundChange } from '../../rpm/packed-changes.ts';
import type { Snapshot } from './live-context.ts';

/** States that can be asked for; `damaged` is a build whose record cannot be read. */
export const QUERY_STATES = [...Object.keys(OUTCOMES), 'damaged'];

/** Builds of one answer. */
export const LIMIT = { usual: 20, most: 100 } as const;

const DAY = /^\d{4}-\d\d-\d\d$/;

const moment = z
  .string()
  .refine(
    (text) =>
      (DAY.test(text) || /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text)) && !Number.isNaN(Date.parse(text)),
    {
      error: 'must be a day, as in 2026-11-21, or a time of RFC 3339',
    },
  );

/** What may be asked for, all of it at once; other parameters are faults. */
export const BUILD_QUERY = z.strictObject({
  package: z
    .string()
    .min(1, 'must be the name of a package')
    .max(200, 'must have at most 200 characters')
    .optional()
    .describe('Only builds in which this package changed; "*" stands for any characters.'),
  state: z
    .enum(QUERY_STATES, `must be one of ${QUERY_STATES.join(', ')}`)
    .optional()
    .describe('Only builds in this state.'),
  stream: z.string().min(1, 'must be the name of a stream').max(200).optional().describe('Only builds of this stream.'),
  since: moment.optional().describe('Only builds begun then or later: a day (UTC) or a time.'),
  until: moment.optional().describe('Only builds begun until then: the whole of a day (UTC), or a time.'),
  limit: z
    .string()
    .regex(/^([1-9]\d?|100)$/, `must be 1 to ${LIMIT.most}`)
    .optional()
    .describe(`How many of the newest; default: ${LIMIT.usual}, at most ${LIMIT.most}.`),
  before: buildId.optional().describe('Only builds that come after this one in the list: to go on.'),
});

export type BuildQuery = z.output<typeof BUILD_QUERY>;

/** What is wrong with one parameter. */
export interface QueryFault {
  readonly parameter: string;
  readonly why: string;
}

/** Reads the parameters of an address. */
export function parseBuildQuery(
  parameters: URLSearchParams,
): { readonly query: BuildQuery } | { readonly faults: readonly QueryFault[] } {
  const names = [...parameters.keys()];
  const twice = [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
  const parsed = BUILD_QUERY.safeParse(Object.fromEntries(parameters));
  const faults = [
    ...twice.map((parameter) => ({ parameter, why: 'is there more than once' })),
    ...(parsed.error?.issues ?? []).flatMap((issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((parameter) => ({ parameter, why: `is none of ${Object.keys(BUILD_QUERY.shape).join(', ')}` }))
        : [{ parameter: String(issue.path[0] ?? ''), why: issue.message }],
    ),
  ];
  return parsed.success && faults.length === 0 ? { query: parsed.data } : { faults };
}

/** A build that was found, with what became of the package that was asked for. */
export interface FoundBuild {
  readonly build: Snapshot['builds'][number];
  readonly changes: readonly FoundChange[];
}

/** Returns the builds that are asked for, newest first, and whether there are more than the limit. */
export function findBuilds(
  builds: Snapshot['builds'],
  query: BuildQuery,
): { readonly found: readonly FoundBuild[]; readonly more: boolean } {
  const limit = query.limit === undefined ? LIMIT.usual : Number(query.limit);
  const [since, until] = [startOf(query.since), endOf(query.until)];
  // A date takes longer to read than all else that is looked at of a build.
  const isDated = query.since !== undefined || query.until !== undefined;
  const finder = query.package === undefined ? undefined : changeFinder(query.package);
  const found: FoundBuild[] = [];
  let begun = query.before === undefined;
  for (const build of builds) {
    const { meta, state } = build;
    if (!begun) {
      begun = meta.buildid === query.before;
      continue;
    }
    if (query.stream !== undefined && meta.stream !== query.stream) continue;
    if (query.state !== undefined && state !== query.state) continue;
    if (isDated) {
      const at = Date.parse(meta.ostreeTimestamp);
      if (at < since || at > until) continue;
    }
    const changes = finder && meta.changes ? finder(meta.changes) : [];
    if (finder && changes.length === 0) continue;
    if (found.length === limit) return { found, more: true };
    found.push({ build, changes });
  }
  return { found, more: false };
}

const DAY_MS = 86_400_000;
const startOf = (text: string | undefined): number =>
  text === undefined ? Number.NEGATIVE_INFINITY : Date.parse(text);
const endOf = (text: string | undefined): number =>
  text === undefined ? Number.POSITIVE_INFINITY : Date.parse(text) + (DAY.test(text) ? DAY_MS - 1 : 0);
