import { type Fault, formatPlace, NightlyError } from '../../base/errors.ts';
import { toned } from '../../base/tone.ts';
import { EXIT } from '../../build/outcomes.ts';
import type { Config, StreamConfig } from '../../config/config.ts';
import { isFolderEngine } from '../../config/engine.ts';
import { loadConfig } from '../../config/load.ts';
import { refOf } from '../../config/lookup.ts';
import { readTreefile } from '../../treefile/read.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import { treefileRepos } from '../../treefile/treefile-repos.ts';
import { configWarnings } from '../config-warnings.ts';
import { defineCommand } from '../define.ts';
import { flag, optional } from '../inputs.ts';
import { printJson } from '../print.ts';

/** `atomic-nightly config check [FILE]`: everything that is wrong with a configuration and its treefiles, at once. */
export const configCheck = defineCommand({
  name: 'config check',
  summary: 'list every fault of a configuration and its treefiles with its place, and what is probably not meant',
  arguments: { file: optional('FILE', 'configuration; default: that of --config', 'file') },
  options: {
    strict: flag('exit with 1 when there are only warnings'),
    json: flag('for scripts'),
  },
  exitCodes: { 0: 'no faults', 1: 'warnings, with --strict', 2: 'faults' },
  notes:
    'Keys are read for when they expire; programs, targets and the network are not asked: "doctor" does that.\nEach line is FILE:LINE:COLUMN: KIND: MESSAGE, as editors read them.',
  examples: [
    'atomic-nightly config check',
    'atomic-nightly config check new.yaml --strict',
    'atomic-nightly config check --json | jq -r ".faults[].message"',
  ],
  async run({ file, strict, json }, { config: byDefault, print }) {
    const path = file ?? byDefault;
    const { faults, warnings, hint, about } = await judge(path);
    if (json) {
      const shown = (found: readonly Fault[]) => found.map(({ place, message }) => ({ ...place, message }));
      printJson(
        {
          file: path,
          ok: faults.length === 0,
          faults: shown(faults),
          warnings: shown(warnings),
          ...(hint && { hint }),
        },
        print,
      );
    } else {
      for (const { place, message } of faults) print(`${formatPlace(place)}: ${toned('bad', 'error')}: ${message}`);
      for (const { place, message } of warnings)
        print(`${formatPlace(place)}: ${toned('warn', 'warning')}: ${message}`);
      print(`${path}: ${counted(faults, 'fault')}, ${counted(warnings, 'warning')}${about}`);
      if (hint !== undefined) print(`  what to do: ${hint}`);
    }
    if (faults.length > 0) return EXIT.usage;
    return strict && warnings.length > 0 ? EXIT.failed : EXIT.done;
  },
});

interface Verdict {
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
  readonly hint?: string | undefined;
  /** What the configuration has, for the line at the end. */
  readonly about: string;
}

async function judge(path: string): Promise<Verdict> {
  const config = await orError(loadConfig(path));
  if (config instanceof NightlyError) {
    return { faults: faultsOf(config, path), warnings: [], hint: config.hint, about: '' };
  }
  const trees = await judgeTrees(config);
  const warnings = [...(await configWarnings(config)), ...trees.warnings];
  const about = ` (streams: ${Object.keys(config.streams).join(', ')}; targets: ${Object.keys(config.targets).join(', ')})`;
  return { ...trees, warnings, about };
}

/** Reads the treefile of each stream for its architecture, and looks for its ref and its repositories. */
async function judgeTrees(config: Config): Promise<Pick<Verdict, 'faults' | 'warnings' | 'hint'>> {
  const [faults, warnings] = [new Map<string, Fault>(), new Map<string, Fault>()];
  const hints = new Set<string>();
  const keep = (into: Map<string, Fault>, found: readonly Fault[]) => {
    // Streams of one treefile have the same faults.
    for (const fault of found) into.set(`${formatPlace(fault.place)}: ${fault.message}`, fault);
  };
  for (const stream of Object.values(config.streams)) {
    if (isFolderEngine(stream.engine)) continue;
    const treefile = await orError(treefileOf(config, stream));
    if (!(treefile instanceof NightlyError)) {
      keep(warnings, treefile.notes);
      continue;
    }
    keep(faults, faultsOf(treefile, stream.treefile));
    if (treefile.hint !== undefined) hints.add(treefile.hint);
  }
  return { faults: [...faults.values()], warnings: [...warnings.values()], hint: [...hints].join(' ') || undefined };
}

/** @throws NightlyError `treefile`, `unsupported`, `repo-unknown`, `config` for a .repo file, and where nothing has a ref. */
async function treefileOf(config: Config, stream: StreamConfig): Promise<Treefile> {
  const treefile = await readTreefile(stream.treefile, { basearch: stream.arch });
  refOf(config, stream, treefile.values.ref);
  await treefileRepos(treefile, { locked: false });
  return treefile;
}

/** Returns what a promise is for, or the failure that this program reports on purpose. */
function orError<Value>(promise: Promise<Value>): Promise<Value | NightlyError> {
  return promise.catch((error: unknown) => {
    if (error instanceof NightlyError) return error;
    throw error;
  });
}

function faultsOf(error: NightlyError, file: string): readonly Fault[] {
  if (error.faults.length > 0) return error.faults;
  return [{ place: error.place ?? { file }, message: error.message }];
}

function counted(found: readonly unknown[], what: string): string {
  if (found.length === 0) return `no ${what}s`;
  return `${found.length} ${what}${found.length === 1 ? '' : 's'}`;
}
