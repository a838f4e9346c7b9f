import { z } from 'zod';
import { didYouMean } from '../base/nearest.ts';
import { block, type Here } from './block.ts';
import type { Breach, WrittenAt } from './breach.ts';
import { checkHubMessages, hubMessagesSchema } from './hub-messages.ts';
import { checkPassphrase } from './private-keys.ts';
import { signingKey } from './signing.ts';
import { ARCH, partNames } from './tag-pattern.ts';
import { age, wait, word } from './values.ts';

const tagPattern = z
  .string()
  .regex(
    /^(?:[A-Za-z0-9._+-]|<[a-z][a-z0-9-]*>)+$/,
    'must be the name of a tag, with parts such as <sig>, <release> and <project>',
  )
  .refine((text) => !/>(?=<)/.test(text.replace('<sig><release>', '')), {
    error: 'has two parts side by side, of which nobody can tell where one ends; only <sig><release> can be',
  })
  .refine((text) => new Set(partNames(text)).size === partNames(text).length, { error: 'has a part twice' });

const pathTemplate = z
  .string()
  .regex(
    /^(?:[A-Za-z0-9_+~]|<[a-z][a-z0-9-]*>)(?:[A-Za-z0-9._+~-]|<[a-z][a-z0-9-]*>)*(?:\/(?:[A-Za-z0-9_+~]|<[a-z][a-z0-9-]*>)(?:[A-Za-z0-9._+~-]|<[a-z][a-z0-9-]*>)*)*$/,
    'must be words joined by "/", with the parts of the tag and <arch> in them',
  )
  .refine((text) => !/^(?:repo|builds|log|streams|vagrant|rpms)(?:\/|$)/.test(text), {
    error: 'begins with a folder that builds are published to',
  });

const place = (what: string) => ({
  target: z.string().describe(`Target that has ${what}.`),
  path: pathTemplate.describe('Folder there; <arch> is the architecture, other parts are those of the tag.'),
});

const contentRule = () =>
  block({
    tags: tagPattern.describe(
      'Tags that the rule is for: text with named parts, as in <sig><release>-<project>-release.',
    ),
    level: z
      .enum(['testing', 'release'])
      .describe(
        '"release": packages are signed, in koji too. "testing": packages are as koji built them. Metadata is signed in both.',
      ),
    key: z
      .string()
      .regex(/^(?:[A-Za-z0-9._-]|<[a-z][a-z0-9-]*>)+$/, 'must be the name of a key, or made of parts such as <sig>')
      .default('<sig>')
      .describe('Which of the keys signs.'),
    ...place('the packages'),
    debuginfo: block(place('the debuginfo'))
      .optional()
      .describe('Where debuginfo and debugsource packages go; default: nowhere.'),
    source: block(place('the sources')).optional().describe('Where source packages go; default: nowhere.'),
    release: z
      .int()
      .min(6)
      .max(99)
      .optional()
      .describe('Major release of CentOS whose tools read it; default: that of the part <release>.'),
  });

/** Makes the schema of the `content` block. */
export const contentSchema = (here: Here) =>
  block(
    {
      keys: z
        .record(word, signingKey(here))
        .refine((all) => Object.keys(all).length > 0, { error: 'needs at least one key' })
        .describe('Keys that sign, by name: usually that of the SIG.'),
      rules: z.array(contentRule()).min(1, 'needs at least one rule').describe('What becomes of which tags.'),
      exclude: z
        .array(z.string().regex(/^[A-Za-z0-9._+*?-]+$/, 'must be the name of a tag, with * and ?'))
        .default([])
        .describe('Tags that are left alone though a rule is for them; * and ? stand for any characters and any one.'),
      push: z
        .boolean()
        .default(true)
        .describe('false: sign, import, make and check the repositories, but send nothing.'),
      'removal-limit': z
        .int()
        .min(0)
        .max(100)
        .default(30)
        .describe('More than this percentage of a repository is not removed at once without "--accept-removals".'),
      messages: hubMessagesSchema(here)
        .optional()
        .describe('Messages of the hub, each a hint to look at a tag; without them the poll alone finds changes.'),
      poll: wait.prefault('5m').describe('How often koji is asked what has changed.'),
      quiet: wait.prefault('30s').describe('How long a tag must stay as it is before it is processed.'),
      'longest-wait': wait.prefault('10m').describe('After that a tag is processed though it still changes.'),
      keep: age
        .prefault('7d')
        .describe(
          'How long metadata and packages that are no longer named stay, for clients and mirrors that read them.',
        ),
    },
    { poll: 'pollSeconds', quiet: 'quietSeconds', 'longest-wait': 'longestWaitSeconds', keep: 'keepSeconds' },
  );

/** What is published of which tags. */
export type ContentConfig = z.output<ReturnType<typeof contentSchema>>;
/** What becomes of the tags that fit a pattern. */
export type ContentRule = ContentConfig['rules'][number];

interface Parts {
  /** Undefined when there is none, or it has a fault of its own. */
  readonly content: ContentConfig | undefined;
  readonly targetNames: readonly string[];
  readonly written: WrittenAt;
}

/** Returns what is wrong with the content that depends on more than one value. */
export function checkContent({ content, targetNames, written }: Parts): Breach[] {
  if (content === undefined) return [];
  const koji: Breach[] =
    written('koji') === undefined ? [{ path: ['content'], message: 'needs koji, whose tags it is about.' }] : [];
  const keys = Object.keys(content.keys).flatMap((name) => checkPassphrase(['content', 'keys', name], written));
  const seen = new Map<string, number>();
  const rules = content.rules.flatMap((rule, index): Breach[] => {
    const path = ['content', 'rules', index];
    const before = seen.get(rule.tags);
    seen.set(rule.tags, before ?? index);
    const twice = { path: [...path, 'tags'], message: `claims the same tags as rule ${(before ?? 0) + 1}.` };
    return [
      ...(before === undefined ? [] : [twice]),
      ...checkKey(rule, path, Object.keys(content.keys)),
      ...checkRelease(rule, path),
      ...checkPlace(rule, rule, true, path, targetNames),
      ...(rule.debuginfo ? checkPlace(rule, rule.debuginfo, true, [...path, 'debuginfo'], targetNames) : []),
      ...(rule.source ? checkPlace(rule, rule.source, false, [...path, 'source'], targetNames) : []),
    ];
  });
  return [...koji, ...keys, ...rules, ...samePlaces(content.rules), ...checkHubMessages(content.messages)];
}

type Path = readonly (string | number)[];

function checkKey({ key, tags }: ContentRule, path: Path, names: readonly string[]): Breach[] {
  const named = partNames(key);
  const unknown = named.find((name) => !partNames(tags).includes(name));
  if (unknown !== undefined) {
    return [{ path: [...path, 'key'], message: `names <${unknown}>, which is not a part of ${tags}.` }];
  }
  if (named.length > 0 || names.includes(key)) return [];
  return [{ path: [...path, 'key'], message: `there is no key "${key}".${didYouMean(key, names)}` }];
}

function checkRelease({ release, tags }: ContentRule, path: Path): Breach[] {
  if (release !== undefined || partNames(tags).includes('release')) return [];
  return [{ path, message: 'needs release, as its tags have no part <release>.' }];
}

/** Each part of the tag must be in the path: two tags that differ in it alone would be one repository otherwise. */
function checkPlace(
  { tags }: ContentRule,
  { target, path: template }: { readonly target: string; readonly path: string },
  perArch: boolean,
  path: Path,
  targetNames: readonly string[],
): Breach[] {
  const breaches: Breach[] = [];
  if (!targetNames.includes(target)) {
    const near = didYouMean(target, targetNames) || ` Targets here: ${targetNames.join(', ')}.`;
    breaches.push({ path: [...path, 'target'], message: `there is no target "${target}".${near}` });
  }
  const [named, parts] = [partNames(template), partNames(tags)];
  const needed = perArch ? [...parts, ARCH] : parts;
  for (const name of needed.filter((part) => !named.includes(part))) {
    const why =
      name === ARCH ? 'each architecture has a repository' : 'two tags that differ in it would be in one place';
    breaches.push({ path: [...path, 'path'], message: `needs <${name}>: ${why}.` });
  }
  for (const name of new Set(named)) {
    if (needed.includes(name)) continue;
    const why = name === ARCH ? 'sources have none' : `it is not a part of ${tags}`;
    breaches.push({ path: [...path, 'path'], message: `names <${name}>, but ${why}.` });
  }
  return breaches;
}

/** Templates that are the same text in one target; those that come to the same for some tags are found with the tags. */
function samePlaces(rules: readonly ContentRule[]): Breach[] {
  const seen = new Map<string, string>();
  return rules.flatMap((rule, index) => {
    const places = [
      { place: rule, path: ['content', 'rules', index] },
      ...(rule.debuginfo ? [{ place: rule.debuginfo, path: ['content', 'rules', index, 'debuginfo'] }] : []),
      ...(rule.source ? [{ place: rule.source, path: ['content', 'rules', index, 'source'] }] : []),
    ];
    return places.flatMap(({ place: { target, path: template }, path }): Breach[] => {
      const key = `${target}\0${template}`;
      const other = seen.get(key);
      if (other === undefined) {
        seen.set(key, path.join('.'));
        return [];
      }
      return [{ path: [...path, 'path'], message: `is a place in "${target}" that ${other} is published to.` }];
    });
  });
}

export const contentTemplate = `
# What SIGs tag in koji, as signed repositories (docs/content.md).
# content:
#   keys:
#     storage: {type: openpgp, key-file: /etc/atomic-nightly/storage.key}
#   rules:
#     - tags: <sig><release>-<project>-testing
#       level: testing                   # packages as koji built them, signed metadata
#       target: buildlogs
#       path: SIGs/<release>/<sig>/<arch>/<project>
#     - tags: <sig><release>-<project>-release
#       level: release                   # signed packages, in koji too
#       target: mirror
#       path: SIGs/<release>/<sig>/<arch>/<project>
#       debuginfo: {target: mirror, path: debuginfo/<release>/<sig>/<arch>/<project>}
#       source: {target: mirror, path: source/<release>/<sig>/<project>}
#   push: false                          # sign and check everything, but send nothing yet
#   # removal-limit: 30                  # percent of a repository
#   # exclude: ['*-bootstrap-*']
#   # messages: {broker: 'mqtts://mqtt.example.org:8883', topic: koji, cert-file: ./bus.pem, key-file: ./bus.key}
#   # poll: 5m
#   # quiet: 30s
#   # longest-wait: 10m
#   # keep: 7d                           # old metadata, and packages that left the tag
`;
