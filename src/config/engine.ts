import { resolve } from 'node:path';
import { z } from 'zod';
import { within } from '../base/within.ts';
import { block, type Here } from './block.ts';
import type { Breach } from './breach.ts';
import { commandLine, filePath, someOf } from './values.ts';

/** What the two engines have in common that commit a folder as it is. */
const folderKeys = {
  owner: z
    .enum(['keep', 'map', 'root'])
    .default('keep')
    .describe(
      "Owners of the tree's files: keep refuses those of people on the build machine (ids from 1000 that the tree does not name), map gives those to root, root gives everything to root.",
    ),
  var: z
    .enum(['folders', 'tmpfiles'])
    .default('folders')
    .describe(
      'What /var may hold: folders refuses anything else; tmpfiles turns folders and links into lines for systemd-tmpfiles and leaves files out.',
    ),
};

const rpmOstree = block({
  type: z.literal('rpm-ostree'),
  command: commandLine.describe(
    'Program and arguments in front of "compose tree …", for instance a container command.',
  ),
});

/** A folder that something else filled. */
const checkout = (here: Here) =>
  block({
    type: z.literal('checkout'),
    path: filePath(here).describe('The folder with the tree; it is never changed.'),
    ...folderKeys,
  });

/** A program that fills a folder. */
const command = (here: Here) =>
  block({
    type: z.literal('command'),
    command: commandLine.describe(
      'Program and arguments; it fills the folder $ATOMIC_ROOT and may write $ATOMIC_PROVENANCE. Runs in the folder of this file.',
    ),
    inputs: z
      .union([
        block({ command: commandLine.describe('A program that prints what the tree depends on.') }),
        block({
          files: someOf(filePath(here), 'needs at least one file or folder').describe(
            'Files and folders that the tree depends on.',
          ),
        }),
      ])
      .describe('What the tree depends on: an equal digest means that nothing changed, and nothing is built.'),
    ...folderKeys,
  }).transform((written) => ({ ...written, workingFolder: here.folder }));

/** An `engine` key: a name, or a map with the settings of an engine. */
const engineKey = (here: Here) =>
  z
    .union([
      z.enum(['auto', 'dnf', 'rpm-ostree']),
      z.discriminatedUnion('type', [rpmOstree, checkout(here), command(here)]),
    ])
    .transform((written) => {
      if (typeof written !== 'string') return written;
      return written === 'rpm-ostree' ? { type: written, command: ['rpm-ostree'] as const } : { type: written };
    });

/** Makes the schema of the `engine` of all streams that have none of their own. */
export const engineSchema = (here: Here) =>
  engineKey(here)
    .prefault('auto')
    .describe(
      'What makes the tree: auto takes rpm-ostree when it is installed, otherwise dnf. Each stream may have its own.',
    );

/** Makes the schema of the `engine` of one stream. */
export const streamEngineSchema = (here: Here) =>
  engineKey(here)
    .optional()
    .describe(
      "What makes the tree of this stream; default: the engine at the top of this file. A release stream has its nightly stream's.",
    );

/** An engine as configured; `command` of rpm-ostree is what stands in front of `compose tree …`. */
export type EngineConfig = z.output<ReturnType<typeof engineKey>>;

/** An engine that commits a folder: a treefile is not needed, and says nothing. */
export type FolderEngineConfig = Extract<EngineConfig, { type: 'checkout' | 'command' }>;
export type CheckoutConfig = Extract<EngineConfig, { type: 'checkout' }>;
export type CommandConfig = Extract<EngineConfig, { type: 'command' }>;

/** Whether an engine commits a folder as it is. */
export function isFolderEngine(engine: EngineConfig): engine is FolderEngineConfig {
  return engine.type === 'checkout' || engine.type === 'command';
}

/** A stream as the rules of engines see it. */
interface Stream {
  readonly treefile?: string;
  readonly ref?: string;
  readonly bootable?: boolean;
  readonly images: readonly string[];
  readonly releasePackage?: unknown;
  readonly allowDowngrades: readonly string[];
  readonly maxMetadataAgeSeconds?: number;
}

/**
 * Returns what a stream sets that its engine has no use for. Paths are relative to the stream.
 * @param engine of the stream, wherever it is written; undefined when that has faults itself
 */
export function checkStreamEngine(stream: Stream, engine: EngineConfig | undefined): Breach[] {
  if (engine === undefined) return [];
  if (!isFolderEngine(engine)) {
    return stream.bootable === undefined
      ? []
      : [
          {
            path: ['bootable'],
            message: 'is for the engines checkout and command: RPM trees boot when they have a kernel.',
          },
        ];
  }
  const why = `the engine "${engine.type}" takes the tree as it is.`;
  const breaches: Breach[] = [];
  if (stream.treefile !== undefined) breaches.push({ path: ['treefile'], message: `must not be set: ${why}` });
  if (stream.ref === undefined)
    breaches.push({ path: [], message: 'needs a "ref": there is no treefile to have one.' });
  const unused = {
    'release-package': stream.releasePackage !== undefined,
    'allow-downgrades': stream.allowDowngrades.length > 0,
    'max-metadata-age': stream.maxMetadataAgeSeconds !== undefined,
  };
  for (const [key, isSet] of Object.entries(unused)) {
    if (isSet) breaches.push({ path: [key], message: `is for trees made of RPM packages; ${why}` });
  }
  if (stream.bootable === false && stream.images.length > 0) {
    breaches.push({ path: ['bootable'], message: 'must be true for a stream with images.' });
  }
  return breaches;
}

/** What of the program's own a tree must not have in it, or lie in. */
interface Places {
  /** Absolute; undefined when it has a fault of its own. */
  readonly work: string | undefined;
  readonly targets: Readonly<Record<string, { readonly type: string; readonly path?: string }>>;
}

/**
 * Returns what is wrong with the place of a checkout: a build would change what the next one commits. Paths are relative to the
 * stream.
 * @param own whether the engine is written in the stream
 */
export function checkCheckoutPlace(engine: EngineConfig | undefined, own: boolean, places: Places): Breach[] {
  if (engine?.type !== 'checkout') return [];
  const { path } = engine;
  const breach = (what: string): Breach[] => [
    own ? { path: ['engine', 'path'], message: what } : { path: [], message: `the path of its engine ${what}` },
  ];
  for (const [name, target] of Object.entries(places.targets)) {
    if (target.type !== 'directory' || target.path === undefined) continue;
    if (within(target.path, path) || within(path, target.path))
      return breach(`must neither hold the folder of target "${name}" nor lie in it.`);
  }
  const { work } = places;
  if (work === undefined) return [];
  if (within(work, path)) return breach(`must not hold the work folder ${work}: builds would become part of the tree.`);
  const taken = ['repo', 'cache', 'builds', 'scratch'].map((part) => resolve(work, part));
  const around = taken.find((part) => within(path, part));
  return around === undefined ? [] : breach(`must not lie in ${around}, which the work folder uses itself.`);
}

/** What the stream of a new configuration is made from: a treefile, as it shall stand in the file, or what others make. */
export type TreeTemplate = { readonly treefile: string } | { readonly engine: FolderEngineConfig['type'] };

/** Returns the lines of a stream that say what its trees are made from. */
export function treeTemplate(name: string, tree: TreeTemplate): string {
  if ('treefile' in tree) {
    return `    # One to start from. Copy it and the .repo files beside it to here to change it: an update replaces the program's own.
    treefile: ${tree.treefile}

    # Instead of the treefile's ref.
    # ref: ${name}/\${basearch}/nightly
`;
  }
  const made =
    tree.engine === 'checkout'
      ? `      type: checkout
      # The folder with the tree; it is never changed.
      path: ./tree
`
      : `      type: command
      # Puts the tree into the folder $ATOMIC_ROOT, and may say in the file $ATOMIC_PROVENANCE what it is made of.
      command: [./make-tree]
      # What the tree depends on; while it is the same, nothing is built. Or a program that prints it:
      # inputs: {command: [./what-it-depends-on]}
      inputs: {files: [make-tree]}
`;
  return `    # A tree that something else makes is committed as it is (docs/any-tree.md).
    engine:
${made}      # keep refuses the owners of people on this machine, map gives those to root, root gives everything to root.
      owner: keep
      # What /var may hold: folders, or tmpfiles: folders and links become lines for systemd-tmpfiles.
      var: folders

    ref: ${name}/\${basearch}/nightly

    # The tree must have a kernel with its initramfs. Default: whether there are images.
    # bootable: true
`;
}

export const engineTemplate = `
# What composes the trees: auto takes rpm-ostree when it is installed, otherwise the built-in engine on dnf. A stream may
# have another, by an "engine" of its own.
# rpm-ostree out of a container (the paths used must be the same inside and outside):
# engine:
#   type: rpm-ostree
#   command: [podman, run, --rm, --privileged, -v, /srv/nightly:/srv/nightly, quay.io/fedora/fedora:latest, rpm-ostree]
# A tree that something else makes, such as BuildStream, mkosi or debootstrap (docs/any-tree.md): type checkout or command.
engine: auto
`;
