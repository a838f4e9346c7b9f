import { resolve } from 'node:path';
import { z } from 'zod';
import { hasPassword, trimSlashes } from '../base/url-text.ts';
import type { Here } from './block.ts';
import { durationSeconds } from './duration.ts';

/** Values that stand in several places of atomic-nightly.yaml. */

/** Makes the schema of a file or folder: absolute, or relative to the folder of the configuration. It becomes absolute. */
export function filePath({ folder }: Here) {
  return z
    .string()
    .min(1, 'must not be empty')
    .refine((text) => !text.startsWith('~') && !/\$[{A-Za-z_]/.test(text), {
      error:
        '"~" and variables are not expanded here: write the path out, absolute or relative to the folder of this file',
    })
    .transform((path) => resolve(folder, path));
}

/** A word used in file names, URLs and log lines. */
export const word = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]*$/, 'must start with a letter or digit and hold only letters, digits, ".", "_" and "-"');

/** Whether an address with a scheme can be taken apart; of others it is said that they lack one. */
export const isUrl = (text: string): boolean => !/^[a-z]+:\/\//.test(text) || URL.canParse(text);
/** What is said of one that cannot. */
export const NO_URL = { error: 'is no URL: look at its host and port' };

/** A URL that clients read, without a trailing slash. */
export const httpUrl = z
  .string()
  .regex(/^https?:\/\/[^\s/]+/, 'must be an http:// or https:// URL that clients can reach')
  .refine(isUrl, NO_URL)
  .refine((text) => !hasPassword(text), { error: 'must not hold a password' })
  // It stands in files of remotes, in commands that people copy and on pages; paths are put behind it.
  .refine((text) => /^[\w.~:/@+,=%[\]-]*$/.test(text), {
    error:
      'may hold letters, digits, "/" and ".~:@+,=%-" only, and nothing behind its path: write other characters as "%20" and the like',
  })
  .transform(trimSlashes);

/** The URL of an OSTree repo, without a trailing slash. */
export const repoUrl = z
  .string()
  .regex(/^(https?:\/\/[^\s/]+|file:\/\/\/)/, 'must be an http://, https:// or file:/// URL')
  .refine(isUrl, NO_URL)
  .refine((text) => !hasPassword(text), { error: 'must not hold a password' })
  .transform(trimSlashes);

/** OSTree's own rule (ostree-core.c, `OSTREE_REF_REGEXP`), with the letters that fit into every URL. */
export const refName = z
  .string()
  .regex(
    /^(\$\{basearch\}|\w)(\$\{basearch\}|[\w.-])*(\/(\$\{basearch\}|\w)(\$\{basearch\}|[\w.-])*)*$/,
    'must be words joined by "/", each of letters, digits, "_", "." and "-", the first neither "." nor "-"',
  );

/** Ages, in minutes and above; becomes seconds. */
export const age = z
  .string()
  .regex(/^[1-9]\d*[mhdw]$/, 'must be a whole number with m, h, d or w, as in 36h or 14d')
  .transform(durationSeconds);

/** Times to wait, in seconds and above, as text: for a union, which takes the words of a fault from what it is made of. */
export const waitText = z
  .string()
  .regex(/^[1-9]\d*[smhdw]$/, 'must be a whole number with s, m, h, d or w, as in 90s, 5m or 12h');

/** Times to wait; becomes seconds. */
export const wait = waitText.transform(durationSeconds);

/** Makes the schema of a list that is not empty; `message` says what it needs. */
export function someOf<Item extends z.ZodType>(item: Item, message: string) {
  return z.array(item).min(1, message).transform(nonEmpty);
}

/** A program and its arguments. */
export const commandLine = someOf(z.string().min(1, 'must not be empty'), 'needs at least the program');

/** The same list, known not to be empty. */
export function nonEmpty<Item>(all: readonly Item[]): readonly [Item, ...Item[]] {
  if (!hasFirst(all)) throw new RangeError('a list that was checked not to be empty is empty');
  return all;
}

function hasFirst<Item>(all: readonly Item[]): all is readonly [Item, ...Item[]] {
  return all.length > 0;
}

/** Replaces `${basearch}`, as rpm-ostree does in a treefile's ref. */
export function substituteBasearch(text: string, arch: string): string {
  return text.replaceAll(/\$\{basearch\}/g, arch);
}
