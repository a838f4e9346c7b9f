import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { ComposeRequest, RpmEngine as Engine } from '../../../src/engines/engine.ts';
import { createRpmOstreeEngine } from '../../../src/engines/rpm-ostree/rpm-ostree-engine.ts';
import { run } from '../../../src/programs/exec.ts';
import type { Treefile } from '../../../src/treefile/treefile.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

/** What the stand-in pretends; see test/support/stand-in-rpm-ostree.mjs. */
export interface StandInState {
  readonly version: string;
  /** Name to EVRA, the newest. */
  readonly packages: Readonly<Record<string, string>>;
  /** Also in the repositories, but not the newest. */
  readonly older?: Readonly<Record<string, string>>;
  readonly fail?: { readonly message: string; readonly code?: number };
  readonly hang?: boolean;
  /** Ends itself by a signal in the middle of a compose. */
  readonly dies?: { readonly signal: 'SIGABRT' | 'SIGKILL' | 'SIGSEGV'; readonly says?: string };
  /** Of the repository's metadata, seconds since the epoch; default 2026-11-21T02:40:54Z. */
  readonly generated?: number;
  readonly noInitramfs?: boolean;
  /** What is installed, where that is something else than what it says. */
  readonly installs?: Readonly<Record<string, string>>;
  readonly noPackageList?: boolean;
  /** Folder with the rpm database that the tree gets; default: one of packages without details. */
  readonly rpmdb?: string;
  readonly ignoresTime?: boolean;
  /** Content of further files, by their paths in the tree. */
  readonly files?: Readonly<Record<string, string>>;
}

export interface Call {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly epoch?: string;
  readonly tty: boolean;
}

/** Releases 2018.10 to 2021.1 fail on their second night without `preserve-passwd: false`. */
const VALUES = { repos: ['lab'], packages: ['app'], 'preserve-passwd': false };

/** A stand-in rpm-ostree on PATH, an archive repo, and a treefile, in a fresh folder. */
export async function bench(state: StandInState, ref: string | undefined = 'lab/x86_64/host') {
  const folder = temporaryFolder();
  const bin = join(folder, 'bin');
  for (const path of [bin, join(folder, 'var-tmp')]) mkdirSync(path);
  symlinkSync(
    fileURLToPath(new URL('../../support/stand-in-rpm-ostree.mjs', import.meta.url)),
    join(bin, 'rpm-ostree'),
  );
  const before = { PATH: process.env['PATH'], RPM_OSTREE_STAND_IN: process.env['RPM_OSTREE_STAND_IN'] };
  process.env['PATH'] = `${bin}:${before.PATH}`;
  process.env['RPM_OSTREE_STAND_IN'] = folder;
  onTestFinished(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
  const setState = (next: StandInState) => writeFileSync(join(folder, 'state.json'), JSON.stringify(next));
  setState(state);
  const repo = join(folder, 'repo');
  await run('ostree', ['init', `--repo=${repo}`, '--mode=archive']);
  const path = join(folder, 'host.json');
  writeFileSync(path, JSON.stringify({ ...(ref === undefined ? {} : { ref }), ...VALUES }));
  const treefile: Treefile = {
    path,
    values: { ...(ref === undefined ? {} : { ref }), ...VALUES },
    origins: new Map(),
    files: [path],
    repoFiles: [],
    written: new Map(),
    uses: [],
    notes: [],
    digest: '0'.repeat(64),
  };
  return {
    folder,
    repo,
    treefile,
    cacheDir: join(folder, 'cache'),
    scratchDir: join(folder, 'scratch'),
    varTmp: join(folder, 'var-tmp'),
    task: testTask(folder),
    setState,
    engine: (command: readonly [string, ...string[]] = ['rpm-ostree']): Promise<Engine> =>
      createRpmOstreeEngine(command, { temporaryFolders: [join(folder, 'var-tmp')] }),
    calls: (): Call[] =>
      existsSync(join(folder, 'calls.ndjson'))
        ? readFileSync(join(folder, 'calls.ndjson'), 'utf8')
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line) as Call)
        : [],
  };
}

export type Bench = Awaited<ReturnType<typeof bench>>;

/** Resolves and composes one night; the time is a fixed one. */
export async function night(
  here: Bench,
  engine: Engine,
  version: string,
  parent?: string,
  more: Partial<ComposeRequest> = {},
) {
  const { treefile, cacheDir, repo, scratchDir, task } = here;
  const follow = parent === undefined ? {} : { parent };
  const resolution = await engine.resolve({ treefile, cacheDir, repo, ...follow }, task);
  const composed = await engine.compose(
    {
      treefile,
      ...resolution,
      cacheDir,
      scratchDir,
      repo,
      ref: 'lab/x86_64/host',
      ...follow,
      version,
      timestamp: TIMESTAMP,
      repoTimestamps: {},
      metadata: { 'atomic-nightly.stream': 'nightly' },
      ...more,
    },
    task,
  );
  return { resolution, composed };
}

/** 2026-11-21 00:00:00 UTC */
export const TIMESTAMP = 1_795_219_200;
