import { link, rm } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { isErrno, makeFolder, writeFileAtomic } from '../../base/files.ts';
import { SHIPPED } from '../../base/shipped.ts';
import { parseConfig } from '../../config/load.ts';
import { configTemplate } from '../../config/template.ts';
import { defineCommand } from '../define.ts';
import { choice } from '../inputs.ts';

export interface InitOptions {
  /** Short name of the distribution. Default: the name of the folder the file goes to. */
  readonly name?: string;
  /** Treefile to compose. Default: the CentOS Stream one that comes with this program. */
  readonly treefile?: string;
  /** What makes the trees: RPM packages, or something else whose trees are committed as they are. */
  readonly engine?: (typeof ENGINES)[number] | undefined;
}

const ENGINES = ['rpm', 'checkout', 'command'] as const;

/**
 * Writes a commented configuration to start from and returns its absolute path. What is written is checked as any
 * configuration is before it gets its name.
 * @throws NightlyError `usage` when there is a file already, `config` when the options make no valid configuration.
 */
export async function initConfig(path: string, options: InitOptions = {}): Promise<string> {
  const file = resolve(path);
  const folder = dirname(file);
  const treefile = resolve(options.treefile ?? shippedTreefile());
  const inside = relative(folder, treefile);
  const text = configTemplate(
    options.name ?? wordOf(basename(folder)),
    options.engine === 'checkout' || options.engine === 'command'
      ? { engine: options.engine }
      : { treefile: JSON.stringify(inside.startsWith('..') ? treefile : inside) },
  );
  parseConfig(text, file);
  await makeFolder(folder);
  const aside = `${file}.${process.pid}.new`;
  await writeFileAtomic(aside, text);
  try {
    // Linked, not renamed: a rename would overwrite a file that somebody wrote in the meantime.
    await link(aside, file);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    throw new NightlyError('usage', `${file} already exists; it was not changed.`, {
      hint: 'Name another file, or move that one away first.',
      cause: error,
    });
  } finally {
    await rm(aside, { force: true });
  }
  return file;
}

/** Writes the file and says what to do next. */
export const init = defineCommand({
  name: 'init',
  section: 'Setting up',
  summary: 'write a commented atomic-nightly.yaml to start from',
  options: {
    engine: choice(
      'KIND',
      ENGINES,
      'what makes the trees: RPM packages (the default), an existing folder, or a program that fills one',
    ),
  },
  examples: [
    'atomic-nightly init',
    'atomic-nightly init --engine command',
    'atomic-nightly -c /etc/atomic/nightly.yaml init',
  ],
  async run({ engine }, { config, print }) {
    const file = await initConfig(config, { engine });
    print(`Wrote ${file}. Edit it, then run "atomic-nightly doctor" to see whether this machine has what it needs.`);
    return 0;
  },
});

/** Returns the treefile that comes with the program. */
function shippedTreefile(): string {
  return join(SHIPPED.treefiles, 'centos-stream-atomic-host.yaml');
}

/** Returns a folder's name as a name the configuration allows. */
function wordOf(folder: string): string {
  const name = folder.replace(/[^\w.-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  return name === '' ? 'atomic-host' : name;
}
