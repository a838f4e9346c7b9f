import { NightlyError } from '../../base/errors.ts';
import { readTagState, tagFolder } from '../../content/tag-state.ts';
import { defineCommand, usageError } from '../define.ts';
import { flag, needed } from '../inputs.ts';
import { loadContent } from '../open-content.ts';
import { printJson } from '../print.ts';

/** `atomic-nightly content show TAG`: the packages that were made of a tag last, and what is blocked. */
export const contentShow = defineCommand({
  name: 'content show',
  summary: 'show the packages that were published of a tag, and what is blocked and why',
  arguments: { tag: needed('TAG', 'tag of koji') },
  options: { json: flag('for scripts') },
  examples: [
    'atomic-nightly content show storage8-ceph-release',
    'atomic-nightly content show storage8-ceph-release --json | jq .packages',
  ],
  async run({ tag, json }, { config: path, print }) {
    if (!/^[A-Za-z0-9][\w.+-]*$/.test(tag)) throw usageError('content show', `"${tag}" is not the name of a tag.`);
    const { config } = await loadContent(path);
    const state = await readTagState(tagFolder(config.work, tag));
    if (!state) {
      throw new NightlyError('not-found', `Nothing was published of a tag "${tag}".`, {
        hint: '"atomic-nightly content status" lists the tags that something was published of.',
      });
    }
    const { event, at, arches, pushed, packages, blocked, waiting } = state;
    if (json) {
      printJson(
        { tag, event, at: new Date(at * 1000).toISOString(), arches, pushed, waiting, packages, blocked },
        print,
      );
      return 0;
    }
    print(
      `${tag}: ${pushed ? 'published' : 'made, not sent'} ${new Date(at * 1000).toISOString()}, event ${event}, ${arches.join(' ')}`,
    );
    if (waiting > 0) print(`  ${waiting} files on targets wait to be removed`);
    for (const { file, sha256 } of packages) print(`  ${sha256.slice(0, 16)}  ${file}`);
    for (const { file, why } of blocked) print(`  not published: ${file}: ${why}`);
    return 0;
  },
});
