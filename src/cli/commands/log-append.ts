import { NightlyError } from '../../base/errors.ts';
import { readNamed } from '../../base/files.ts';
import { parseEntry } from '../../published/log-entry.ts';
import { defineCommand } from '../define.ts';
import { needed } from '../inputs.ts';
import { loadLoggedConfig, withLockedLog } from '../open-log.ts';

/** What the length before an entry can say. */
const MOST_BYTES = 65_535;

export const logAppend = defineCommand({
  name: 'log append',
  summary: "add a file's bytes to the release log as an entry",
  arguments: { file: needed('FILE', 'at most 65,535 bytes; of more, append the checksums', 'file') },
  notes:
    'For what others want to have in the log. An entry that begins with "atomic-nightly/" must be one of the ' +
    'format of this program; any other is taken as it is, and says nothing about what is published here.',
  examples: ['sha256sum *.iso > SUMS && atomic-nightly log append SUMS'],
  interruptible: true,
  async run({ file }, context) {
    const config = await loadLoggedConfig(context.config);
    const bytes = await readNamed(file);
    if (bytes === undefined) throw new NightlyError('usage', `There is no file ${file}.`);
    if (bytes.length === 0 || bytes.length > MOST_BYTES) {
      throw new NightlyError('usage', `${file} has ${bytes.length} bytes, and an entry has 1 to ${MOST_BYTES}.`, {
        hint: 'Append a list of checksums instead, as sha256sum prints it.',
      });
    }
    parseEntry(bytes, { file });
    const [index] = await withLockedLog(context, { config, step: 'log-append' }, async (log, task) => {
      const indices = await log.appendBytes(bytes, task);
      for (const copy of log.copies) await log.copyTo(copy, task);
      return indices;
    });
    context.print(`It is entry ${index} of the log.`);
    return 0;
  },
});
