import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Task } from '../../src/base/task.ts';
import { quietTask } from '../../src/base/task.ts';
import { run } from '../../src/programs/exec.ts';
import { applyPublish } from '../../src/publish/apply.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { publishCommit } from '../../src/publish/publish-commit.ts';
import { type PublishPlan, planPublish } from '../../src/publish/publish-plan.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import type { Target } from '../../src/targets/target.ts';
import type { BenchRepo } from './bench-repo.ts';
import { TEST_REF } from './ostree-repo.ts';

/** A folder with the base commit published, to which one increment after another is published and taken back. */
export interface PublishBed extends BenchRepo {
  /** The folder published to; it holds `repo/`. */
  readonly far: string;
  /** Paths of the increment's objects, relative to `near` and `far`, and the same in a file, one a line. */
  readonly fresh: readonly string[];
  readonly freshFile: string;
  readonly task: Task;
  /** Takes the increment back, and lets the disk come to rest. */
  restore(): Promise<void>;
  /** @throws Error when the increment is not there as a whole. */
  confirm(): Promise<void>;
}

/** Nobody asks it: all objects are in the local repository. */
const URL = 'http://127.0.0.1:1';

/** What our own publish does, from the first look at the target to the moved ref. */
export function publishWith(target: Target, { near, repo, base, next }: BenchRepo, task: Task): Promise<PublishPlan> {
  const notes = join(near, 'sent');
  return publishCommit({ log: NO_LOG, repo, ref: TEST_REF, commit: next, target, expected: base, notes }, task);
}

/** Publishes the base commit to a fresh folder. */
export async function publishBed(made: BenchRepo, dir: string): Promise<PublishBed> {
  const far = join(dir, `far-${made.near.split('-').at(-1)}`);
  const kept = `${far}.kept`;
  const task = quietTask(join(dir, 'bench.log'));
  const { repo, base, next } = made;
  await rm(far, { recursive: true, force: true });
  await rm(kept, { recursive: true, force: true });
  await mkdir(far, { recursive: true });
  const target = openTarget({ type: 'directory', name: 'bed', path: far, url: URL });
  const first = await planPublish({ repo, ref: TEST_REF, commit: base, target }, task);
  await applyPublish(first, { repo, target, log: NO_LOG }, task);
  // For rsync by size and time, as if it had brought the base itself.
  await run('cp', ['-a', join(repo, 'config'), join(far, 'repo/config')]);
  await run('sh', ['-ec', 'mkdir "$2"; cp -a "$1"/[!o]* "$2"', 'sh', join(far, 'repo'), kept]);
  const plan = await planPublish({ repo, ref: TEST_REF, commit: next, target }, task);
  const fresh = plan.phases.flatMap(({ paths }) => [...paths].map((path) => `repo/${path}`));
  const freshFile = `${far}.fresh`;
  await writeFile(freshFile, `${fresh.join('\n')}\n`);
  // Set aside, not deleted: for a minute, ext4 looks past every inode that was deleted whenever it needs a new one, and what would
  // be measured is how often that was done before.
  const aside = `${far}.aside`;
  await rm(aside, { recursive: true, force: true });
  let restored = 0;
  const takeBack = [
    'mkdir -p "$4"; cd "$1"; while read -r path; do [ ! -e "$path" ] || echo "$path"; done < "$3" | xargs -r mv -t "$4"; find . -maxdepth 1 -mindepth 1 ! -name repo -exec rm -rf {} +',
    'cd repo; rm -rf [!o]*; find . -maxdepth 1 -name ".?*" -exec rm -rf {} +; cp -a "$2"/* .; sync -f .',
  ].join('; ');
  return {
    ...made,
    far,
    fresh,
    freshFile,
    task,
    async restore() {
      restored += 1;
      await run('sh', ['-ec', takeBack, 'sh', far, kept, freshFile, join(aside, String(restored))]);
    },
    async confirm() {
      const ref = (await readFile(join(far, 'repo/refs/heads', TEST_REF), 'utf8').catch(() => '')).trim();
      const missing = fresh.filter((path) => !existsSync(join(far, path)));
      if (ref !== next || missing.length > 0) throw new Error(`ref at ${ref}, ${missing.length} objects missing`);
    },
  };
}
