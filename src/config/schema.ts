import { z } from 'zod';
import { auditSchema } from './audit.ts';
import { block, type Here } from './block.ts';
import { buildersSchema } from './builders.ts';
import { contentSchema } from './content.ts';
import { engineSchema } from './engine.ts';
import { kojiSchema } from './koji.ts';
import { logSchema } from './log.ts';
import { notifySchema, sinkSchema } from './notify.ts';
import { pagesSchema } from './pages.ts';
import { rebuildersSchema } from './rebuilders.ts';
import { serviceSchema } from './service.ts';
import { streamSchema } from './streams.ts';
import { targetSchema } from './targets.ts';
import { filePath, word } from './values.ts';

/**
 * Makes the schema of the whole file for one that lies in this folder, and those of its parts that are looked at apart when
 * the whole has faults. Each block is a file beside this one, with the block's keys, defaults, rules and its part of what
 * "init" writes.
 */
export function schemasFor(here: Here) {
  const target = targetSchema(here);
  const stream = streamSchema(here);
  const sink = sinkSchema(here);
  const engine = engineSchema(here);
  const log = logSchema(here);
  const audit = auditSchema(here);
  const content = contentSchema(here);
  const builders = buildersSchema(here);
  const rebuilders = rebuildersSchema(here);
  const config = block({
    name: word.describe('Short name of the distribution: in file names and records.'),
    work: filePath(here)
      .refine((path) => !path.includes('?'), {
        error:
          'must not hold "?", in no folder above it either: what dnf puts there would land elsewhere (librepo takes it for an address)',
      })
      .prefault('./work')
      .describe('Repo, caches and build records; needs several GB.'),
    engine,
    'image-templates': filePath(here).optional().describe('Folder with image types of your own, a folder each.'),
    targets: z
      .record(word, target)
      .refine((all) => Object.keys(all).length > 0, { error: 'needs at least one target' }),
    streams: z
      .record(word, stream)
      .refine((all) => Object.keys(all).length > 0, { error: 'needs at least one stream' }),
    log: log.optional().describe('A log of all that is published, in which nothing can be changed unseen.'),
    koji: kojiSchema(here).optional().describe('koji, whose tags are published as RPM repositories.'),
    content: content.optional().describe('What is published of which tags of koji.'),
    builders: builders.optional().describe('Machines of others that rebuild packages.'),
    audit: audit.optional().describe('What is compared with its log, and when.'),
    rebuilders: rebuilders.prefault([]).describe('Others who compose our builds again and say what came of it.'),
    pages: pagesSchema(here).optional(),
    notify: notifySchema(sink),
    service: serviceSchema(here).prefault({}),
  });
  return { config, target, stream, sink, engine, log, audit, content, builders, rebuilders };
}

/** The file as it was written, with the defaults that do not depend on other values. */
export type WrittenConfig = z.output<ReturnType<typeof schemasFor>['config']>;
