import { z } from 'zod';
import { block } from './block.ts';
import { commandLine } from './values.ts';

/** The `engine` key: a name, or rpm-ostree with the command that stands in front of `compose tree …`. */
export const engineSchema = z
  .union([
    z.enum(['auto', 'dnf', 'rpm-ostree']),
    block({
      type: z.literal('rpm-ostree'),
      command: commandLine.describe(
        'Program and arguments in front of "compose tree …", for instance a container command.',
      ),
    }),
  ])
  .describe('What composes: auto takes rpm-ostree when it is installed, otherwise dnf.')
  .prefault('auto')
  .transform((written): EngineConfig => {
    if (typeof written !== 'string') return written;
    return written === 'rpm-ostree' ? { type: written, command: ['rpm-ostree'] } : { type: written };
  });

export type EngineConfig =
  | { readonly type: 'auto' | 'dnf' }
  /** `command` is what stands in front of `compose tree …`; `['rpm-ostree']` unless configured. */
  | { readonly type: 'rpm-ostree'; readonly command: readonly [string, ...string[]] };

export const engineTemplate = `
# What composes the tree: auto takes rpm-ostree when it is installed, otherwise the built-in engine on dnf.
# rpm-ostree out of a container (the paths used must be the same inside and outside):
# engine:
#   type: rpm-ostree
#   command: [podman, run, --rm, --privileged, -v, /srv/nightly:/srv/nightly, quay.io/fedora/fedora:latest, rpm-ostree]
engine: auto
`;
