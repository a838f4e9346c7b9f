import { auditTemplate } from './audit.ts';
import { buildersTemplate } from './builders.ts';
import { contentTemplate } from './content.ts';
import { engineTemplate, type TreeTemplate } from './engine.ts';
import { imageTypesTemplate } from './image-types.ts';
import { kojiTemplate } from './koji.ts';
import { logTemplate } from './log.ts';
import { notifyTemplate } from './notify.ts';
import { pagesTemplate } from './pages.ts';
import { rebuildersTemplate } from './rebuilders.ts';
import { serviceTemplate } from './service.ts';
import { streamsTemplate } from './streams.ts';
import { targetsTemplate } from './targets.ts';

/**
 * The text of a configuration to start from, joined from what the blocks say of themselves.
 * @param name short name of the distribution
 * @param tree what the trees are made from; a treefile as it shall stand in the file
 */
export function configTemplate(name: string, tree: TreeTemplate): string {
  return [
    topTemplate(name),
    ...('treefile' in tree ? [engineTemplate] : []),
    imageTypesTemplate,
    targetsTemplate,
    streamsTemplate(name, tree),
    logTemplate,
    auditTemplate,
    kojiTemplate,
    contentTemplate,
    buildersTemplate,
    rebuildersTemplate,
    pagesTemplate,
    notifyTemplate,
    serviceTemplate,
  ].join('');
}

const topTemplate = (
  name: string,
): string => `# Configuration of atomic-nightly. Relative paths are taken from the folder of this file; "~" and environment
# variables are not expanded. Secrets are never written here: keys that end in -file name the files that hold them.
# "atomic-nightly doctor" checks that what this file needs is there.

# Short name of the distribution: in file names, build records, and as the default of remote.name and os-name.
name: ${name}

# OSTree repo, compose caches, build records and logs. Needs about 10 GB for a small host.
work: ./work
`;
