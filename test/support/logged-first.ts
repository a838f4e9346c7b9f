import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { keepLogWithGate, unlogged } from './logged-world.ts';
import type { CliResult, World } from './world.ts';

/** What nobody is led to before its entry is logged: objects, deltas, images without a record, packages,
 * what prunes remember. */
const UNSEEN =
  /^(repo\/(objects|tmp|state|deltas|delta-indexes)\/|prune\.json|builds\/retired\.json|builds\/[^/]+\/[^/]+\/(images|logs|journal)|.*\.lock$|rpms\/(?!.*\/repomd\.xml))/;

/** All that a world has published, by path with its digest, but for the log. */
async function picture({ published }: World): Promise<ReadonlyMap<string, string>> {
  const paths = (await filesBelow(published)).filter((path) => !path.startsWith('log/'));
  const { stdout } = await run('sha256sum', paths, { cwd: published });
  return new Map(stdout.split('\n').map((line) => [line.slice(66), line.slice(0, 64)]));
}

const shown = (files: ReadonlyMap<string, string>) => [...files].filter(([path]) => !UNSEEN.test(path)).sort();

/** Audits a world as a stranger with its URL and the log's key, every file again; nothing may be amiss. */
export async function expectCleanAudit(world: World, vkey: string, what: string): Promise<void> {
  const state = join(world.dir, 'audit.json');
  // What the last audit saw still counts.
  if (existsSync(state))
    await writeFile(state, (await readFile(state, 'utf8')).replace(/"full-at": \d+/, '"full-at": 1'));
  const { code, stdout, stderr } = await world.nightly('audit', world.url, '--log-key', vkey, '--state', state);
  expect([what, code, stdout], stderr).toEqual([what, 0, expect.stringContaining('all is as the log has it')]);
  expect([what, await unlogged(world)]).toEqual([what, []]);
}

export interface LogsFirst {
  /** The newest entries of the log. */
  lastEntries(count: number): Promise<{ size: number; entries: { kind: string }[] }>;
  expectClean(what: string): Promise<void>;
  /**
   * Runs a command twice. While the gate of the log is shut, an entry of this kind is logged, and nothing to be seen; when it is open,
   * it becomes visible, and an audit finds nothing amiss.
   */
  logsFirst(kind: string, command: () => Promise<CliResult>): Promise<void>;
}

/** Has a world keep a log, and gives what tries commands against its gate. @param more further keys of the block `log` */
export async function gatedWorld(world: World, more = ''): Promise<LogsFirst> {
  const gate = await keepLogWithGate(world, more);
  const lastEntries: LogsFirst['lastEntries'] = async (count) =>
    JSON.parse((await world.nightly('log', 'show', '--last', String(count), '--json')).stdout);
  const expectClean = (what: string) => expectCleanAudit(world, gate.vkey, what);
  return {
    lastEntries,
    expectClean,
    async logsFirst(kind, command) {
      const before = await picture(world);
      const { size: entriesBefore } = await lastEntries(1);
      await gate.shut();
      const refused = await command();
      expect([kind, refused.code]).not.toEqual([kind, 0]);
      expect(refused.stderr).toContain('Too few witnesses have cosigned the log.');
      const { size, entries } = await lastEntries(50);
      const kinds = size > entriesBefore ? entries.slice(entriesBefore - size).map((one) => one.kind) : [];
      expect([kind, kinds]).toEqual([kind, expect.arrayContaining([kind])]);
      const then = await picture(world);
      expect(shown(then)).toEqual(shown(before));
      expect([...before.keys()].filter((path) => !then.has(path))).toEqual([]);
      await gate.open();
      const done = await command();
      expect([kind, done.code], done.stderr).toEqual([kind, 0]);
      const after = await picture(world);
      const gone = [...before.keys()].filter((path) => !after.has(path));
      expect([shown(after), gone]).not.toEqual([shown(before), []]);
      await expectClean(kind);
    },
  };
}
