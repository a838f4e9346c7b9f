import { z } from 'zod';
import { block } from './block.ts';
import { commandLine } from './values.ts';

/** An `engine` key: a name, or rpm-ostree with the command that stands in front of `compose tree …`. */
const engineKey = z
  .union([
    z.enum(['auto', 'dnf', 'rpm-ostree']),
    block({
      type: z.literal('rpm-ostree'),
      command: commandLine.describe(
        'Program and arguments in front of "compose tree …", for instance a container command.',
      ),
    }),
  ])
  .transform((written): EngineConfig => {
    if (typeof written !== 'string') return written;
    return written === 'rpm-ostree' ? { type: written, command: ['rpm-ostree'] } : { type: written };
  });

/** The `engine` of all streams that have none of their own. */
export const engineSchema = engineKey
  .prefault('auto')
  .describe('What composes: auto takes rpm-ostree when it is installed, otherwise dnf. Each stream may have its own.');

/** The `engine` of one stream. */
export const streamEngineSchema = engineKey
  .optional()
  .describe(
    "What composes this stream; default: the engine at the top of this file. A release stream has its nightly stream's.",
  );

export type EngineConfig =
  | { readonly type: 'auto' | 'dnf' }
  /** `command` is what stands in front of `compose tree …`; `['rpm-ostree']` unless configured. */
  | { readonly type: 'rpm-ostree'; readonly command: readonly [string, ...string[]] };

export const engineTemplate = `
# What composes the trees: auto takes rpm-ostree when it is installed, otherwise the built-in engine on dnf. A stream may
# have another, by an "engine" of its own.
# rpm-ostree out of a container (the paths used must be the same inside and outside):
# engine:
#   type: rpm-ostree
#   command: [podman, run, --rm, --privileged, -v, /srv/nightly:/srv/nightly, quay.io/fedora/fedora:latest, rpm-ostree]
engine: auto
`;
