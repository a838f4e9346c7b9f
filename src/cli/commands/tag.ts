import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { formatAge } from '../../base/format.ts';
import { didYouMean } from '../../base/nearest.ts';
import { oneLine } from '../../base/one-line.ts';
import { tableLines } from '../../base/table.ts';
import { refuseTagName } from '../../build/build-name.ts';
import { findBuild, type StoredBuild } from '../../build/build-store.ts';
import {
  type BuildTag,
  changeTags,
  deleteTag,
  readTag,
  surveyTags,
  TAG_NAME,
  writeTag,
} from '../../build/build-tags.ts';
import { refuseWithoutTree } from '../../build/kept-tree.ts';
import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { objectPath } from '../../ostree/objects.ts';
import type { RunContext } from '../context.ts';
import { defineCommand } from '../define.ts';
import { flag, optional, text } from '../inputs.ts';
import { preparationTask } from '../open-run.ts';
import { type Printer, printJson } from '../print.ts';
import { refuseControlCharacters } from '../typed.ts';

/**
 * `atomic-nightly tag BUILD NAME`: a name of one's own for a build, which every command takes for its id and which keeps it. Gives the
 * exit code.
 */
export const tag = defineCommand({
  name: 'tag',
  section: 'Looking at builds',
  summary: 'give a build a name of your own; a tagged build is kept whatever retention says',
  usage: '[BUILD NAME] [options]',
  arguments: { build: optional('BUILD', 'build id', 'build'), name: optional('NAME', 'its new name') },
  options: {
    list: flag('list the tags; what happens without arguments as well'),
    delete: text('NAME', 'delete a tag; its build is kept by retention alone from then on', { completes: 'tag' }),
    force: flag('move a tag that another build has, or write one anew that is damaged'),
    by: text('NAME', 'who gives it, stored with the tag'),
    reason: text('TEXT', 'reason, stored with the tag'),
    json: flag('for scripts'),
  },
  notes:
    'Prunes of targets and of the work folder, and "gc", keep all that is there of a tagged build: commit, images, logs, RPMs.\n' +
    'Names begin with a letter. Tags belong to this work folder and are not published.',
  examples: [
    'atomic-nightly tag 20261130_01 before-kernel-change --reason "last one with 5.14.0-3"',
    'atomic-nightly tag latest:nightly before-kernel-change --force',
    'atomic-nightly tag --list',
    'atomic-nightly tag --delete before-kernel-change',
  ],
  interruptible: true,
  async run({ build, name, list, delete: gone, force, by, reason, json }, context) {
    refuseControlCharacters({ by, reason });
    const forms = [build !== undefined, gone !== undefined, list].filter(Boolean).length;
    if (forms > 1 || (build !== undefined && name === undefined)) {
      throw new NightlyError('usage', 'tag takes a build and a name, or --list, or --delete and a name.', {
        hint: 'As in "atomic-nightly tag latest before-kernel-change".',
      });
    }
    const config = await loadConfig(context.config);
    const { work } = config;
    if (gone !== undefined) return removeTag(config, gone, json, context);
    if (build === undefined || name === undefined) return listTags(work, json, context.print);
    refuseTagName(name);
    const stored = await findBuild(work, build);
    await refuseWithoutTree(work, stored);
    const wanted = { name, build, at: new Date().toISOString(), ...given({ by, reason }) };
    const { is, was } = await locked(config, context, () => setTag(work, wanted, force));
    if (json) printJson({ ...is, ...(was !== undefined && { movedFrom: was }) }, context.print);
    else for (const line of setLines(work, stored, { is, was, wanted })) context.print(line);
    return 0;
  },
});

/** Options that were given something to say. */
function given({ by, reason }: Readonly<Record<'by' | 'reason', string | undefined>>): Pick<BuildTag, 'by' | 'reason'> {
  return { ...(by?.trim() ? { by: by.trim() } : {}), ...(reason?.trim() ? { reason: reason.trim() } : {}) };
}

const locked = <Result>(config: Config, { signal }: RunContext, change: () => Promise<Result>): Promise<Result> =>
  changeTags(
    config.work,
    change,
    () => process.stderr.write('Waiting for a prune, or for whoever changes tags right now.\n'),
    preparationTask({ config }, signal),
  );

type Tag = Omit<BuildTag, 'version'>;

/** What became of a tag. */
interface SetTag {
  readonly is: Tag;
  /** The build it is taken from. */
  readonly was: string | undefined;
}

/** @throws NightlyError `usage` when another build has it, `record` when it is damaged; both unless it is forced. */
async function setTag(work: string, wanted: Tag, force: boolean): Promise<SetTag> {
  const old = await readTag(work, wanted.name).catch((error: unknown) => {
    if (force && error instanceof NightlyError && error.code === 'record') return undefined;
    throw error;
  });
  if (old?.build === wanted.build) {
    const { version: _, ...is } = old;
    return { is, was: undefined };
  }
  if (old && !force) {
    throw new NightlyError('usage', `The tag "${wanted.name}" belongs to build ${old.build}${sinceText(old)}.`, {
      hint: '--force moves it; retention may then delete what it kept of that build.',
    });
  }
  if (!old) await deleteTag(work, wanted.name);
  await writeTag(work, wanted);
  return { is: wanted, was: old?.build };
}

function sinceText({ at, by, reason }: Tag): string {
  const who = by === undefined ? '' : ` by ${by}`;
  return `, given ${at.slice(0, 10)}${who}${reason === undefined ? '' : `: ${reason}`}`;
}

function setLines(work: string, { meta, paths }: StoredBuild, { is, was, wanted }: SetTag & { wanted: Tag }): string[] {
  if (is !== wanted) return [`${is.build} is tagged ${is.name} already${sinceText(is)}.`];
  const { ostreeCommit: commit } = meta;
  const isHere = commit === undefined || existsSync(join(work, 'repo', objectPath(commit, 'commit')));
  const images = Object.keys(meta.images ?? {});
  return [
    was === undefined ? `${is.build} is tagged ${is.name}.` : `${is.name} is moved from ${was} to ${is.build}.`,
    ...(isHere ? [] : ['  Its commit is not in the work folder any more; a target that has it keeps it from now on.']),
    ...(images.length === 0 || existsSync(paths.images)
      ? []
      : ['  Its images are not in the work folder any more; a target that has them keeps them from now on.']),
  ];
}

async function removeTag(config: Config, name: string, json: boolean, context: RunContext): Promise<number> {
  const { work } = config;
  await locked(config, context, async () => {
    const { tags, damaged } = await surveyTags(work);
    const known = [...tags, ...damaged].map((one) => one.name);
    if (known.includes(name) && TAG_NAME.test(name)) return deleteTag(work, name);
    throw new NightlyError('not-found', `There is no tag "${oneLine(name)}" here.${didYouMean(name, known)}`, {
      hint: '"atomic-nightly tag --list" shows the tags there are.',
    });
  });
  if (json) printJson({ deleted: name }, context.print);
  else context.print(`The tag ${name} is deleted.`);
  return 0;
}

async function listTags(work: string, json: boolean, print: Printer): Promise<number> {
  const { tags, damaged } = await surveyTags(work);
  if (json) {
    const broken = damaged.map(({ name, error }) => ({ name, damage: error.message }));
    printJson([...tags.map(({ version: _, ...rest }) => rest), ...broken], print);
    return 0;
  }
  for (const { name, error } of damaged) print(`${name}  damaged  ${error.message}`);
  if (tags.length + damaged.length === 0) print('No build has a tag. "atomic-nightly tag BUILD NAME" gives one.');
  if (tags.length > 0)
    for (const line of tableLines([['TAG', 'BUILD', 'AGE', 'BY', 'REASON'], ...tags.map(cells)])) print(line);
  return 0;
}

function cells({ name, build, at, by = '', reason = '' }: BuildTag): string[] {
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(at)) / 1000));
  return [name, build, formatAge(seconds), by, reason];
}
