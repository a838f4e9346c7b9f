import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { type Fault, NightlyError } from '../base/errors.ts';
import { type JsonSchema, knownKeys } from '../base/yaml/known-keys.ts';
import { parseYaml } from '../base/yaml/yaml-document.ts';
import { faultsError, schemaFaults } from '../base/yaml/yaml-faults.ts';
import { block, type Here } from './block.ts';
import { checkSigning, signingSchema } from './signing.ts';
import { commandLine, filePath, httpUrl, nonEmpty, someOf, word } from './values.ts';

/** The configuration of `receive`: who may push what to where (docs/push.md). */

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

const size = z
  .string()
  .regex(/^[1-9]\d{0,12}[KMGT]?$/, 'must be a whole number with K, M, G or T, as in 500M')
  .transform((text) => Number.parseInt(text, 10) * (UNITS[text.replace(/\d+/, '')] ?? 1));

const pusher = (here: Here) =>
  block({
    root: z
      .union([
        filePath(here),
        z
          .record(word, filePath(here))
          .refine((all) => Object.keys(all).length > 0, { error: 'needs at least one folder' }),
      ])
      .describe('The folder that holds repo/; or several, each by the name that stands in the address of a push.')
      .transform((root): Readonly<Record<string, string>> => (typeof root === 'string' ? { '': root } : root)),
    refs: someOf(z.string().min(1, 'must not be empty'), 'needs at least one ref or pattern').describe(
      'Refs that may be pushed; "*" stands for anything.',
    ),
    'verify-keys': z
      .array(filePath(here))
      .default([])
      .describe(
        'Public keys, OpenPGP or ed25519, one of which must have signed each commit; without any, none is asked for.',
      ),
    allow: z
      .array(z.enum(['older', 'deltas', 'prune']))
      .default([])
      .describe('What may be asked for: older (--force-older), deltas (--deltas), prune (--prune-to).'),
    sign: signingSchema(here).describe('Signs commits that passed, and the summary.'),
    hook: commandLine
      .optional()
      .describe(
        'Program that gets a line "REF OLD NEW" for each ref; what it prints goes to the pusher, and any exit code but 0 refuses.',
      )
      .transform((command) =>
        command === undefined
          ? undefined
          : nonEmpty(
              command.map((part, index) => (index === 0 && part.includes('/') ? resolve(here.folder, part) : part)),
            ),
      ),
    quota: block(
      {
        push: size.optional().describe('Bytes of one push.'),
        all: size.optional().describe('Bytes of all pushes of this name together.'),
      },
      { push: 'pushBytes', all: 'allBytes' },
    ).prefault({}),
    log: filePath(here).optional().describe('File that gets a line of JSON for each push.'),
    url: httpUrl.optional().describe('Where clients read; the pusher then pulls from there as a fresh client.'),
  });

export type PusherConfig = z.output<ReturnType<typeof pusher>> & { readonly name: string };

const HINT = 'Correct the places above; docs/push.md has an example.';

/**
 * Reads the configuration of `receive`. Relative paths in it are taken from its folder.
 * @returns who may push, by name
 * @throws NightlyError `config`; its message lists every fault at once, one a line, as `file:line:col: what`.
 */
export async function loadReceiveConfig(path: string): Promise<ReadonlyMap<string, PusherConfig>> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new NightlyError('config', `The configuration of receive, ${path}, cannot be read: ${why}.`, {
      hint: 'Name it with --config in the line of authorized_keys; docs/push.md has an example.',
      cause: error,
    });
  });
  return parseReceiveConfig(text, path);
}

/** The same for text at hand. @throws NightlyError `config`. */
export function parseReceiveConfig(text: string, path: string): ReadonlyMap<string, PusherConfig> {
  const { input, places } = parseYaml(text, path, HINT);
  const here = { folder: dirname(resolve(path)) };
  const schema = block({
    pushers: z
      .record(word, pusher(here))
      .refine((all) => Object.keys(all).length > 0, { error: 'needs at least one name' })
      .describe('Who may push, by the name of --as.'),
  });
  const parsed = schema.safeParse(input, { jitless: true });
  if (!parsed.success) {
    const json = z.toJSONSchema(schema, { io: 'input', target: 'draft-7' }) as JsonSchema;
    const known = (at: readonly PropertyKey[]) => knownKeys(json, at, input);
    throw faultsError(path, schemaFaults(parsed.error.issues, { input, places, knownKeys: known }), HINT);
  }
  const written = (...keys: readonly PropertyKey[]) =>
    keys.reduce<unknown>(
      (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
      input,
    );
  const { pushers } = parsed.data;
  const faults = Object.entries(pushers).flatMap(([name, { sign }]): Fault[] =>
    checkSigning(sign ?? [], ['pushers', name, 'sign'], written).map((breach) => ({
      place: places.value(breach.path),
      message: `${breach.path.join('.')}: ${breach.message}`,
    })),
  );
  if (faults.length > 0) throw faultsError(path, faults, HINT);
  return new Map(Object.entries(pushers).map(([name, one]) => [name, { ...one, name }]));
}
