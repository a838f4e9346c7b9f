import { appendFile, cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filesBelow } from '../../src/base/files.ts';
import { parsePrivateKey } from '../../src/log/note-keys.ts';
import { openLog, readLogHead } from '../../src/publish/log/log-files.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import { VECTORS } from './log-files.ts';
import { writeLog } from './served-log.ts';
import { testTask } from './tmp.ts';
import type { World } from './world.ts';

/** Something that is done to what a world has published, what an audit must say of it, and the exit code. */
export interface AuditFault {
  readonly name: string;
  readonly code: 1 | 12;
  /** Of the first finding: `KIND WHAT`. */
  readonly says: RegExp;
  /** Files and folders, relative to the published folder, that are put back afterwards. */
  readonly touches: readonly string[];
  apply(): Promise<unknown>;
  /** What the state of the audit is before. */
  readonly state?: (stored: Record<string, unknown>) => Record<string, unknown>;
  /** Options of the command, in the place of the log's key. */
  readonly options?: readonly string[];
}

interface Faulty {
  readonly world: World;
  readonly vkey: string;
  /** Ref and commit of the nightly stream. */
  readonly ref: string;
  readonly commit: string;
  /** Folder of a build, relative to the published one. */
  readonly build: string;
  /** A copy of the log's folder as it was earlier. */
  readonly earlierLog: string;
  /** What meta.json of the build was before it changed, as it was logged then. */
  readonly earlierRecord: Buffer;
}

/** Every fault that an audit is to find. */
export async function auditFaults(faulty: Faulty): Promise<AuditFault[]> {
  const { world, vkey, ref, commit, build, earlierLog, earlierRecord } = faulty;
  const at = (path: string): string => join(world.published, path);
  const file = (name: string, path: string, says: RegExp, apply: () => Promise<unknown>): AuditFault => ({
    ...{ name, code: 1, says, touches: [path], apply },
  });
  const changed = (path: string): AuditFault =>
    file(`a changed byte: ${path}`, path, pattern('changed', path), async () => {
      const content = await readFile(at(path));
      content.writeUInt8(content.readUInt8(content.length >> 1) ^ 1, content.length >> 1);
      await rm(at(path));
      await writeFile(at(path), content);
    });
  const missing = (path: string): AuditFault =>
    file(`missing: ${path}`, path, pattern('missing', path), () => rm(at(path)));
  const below = await filesBelow(at(build));
  const images = below.filter((path) => path.startsWith('images/')).map((path) => `${build}/${path}`);
  const object = `repo/objects/${commit.slice(0, 2)}/${commit.slice(2)}.commit`;
  const refFile = `repo/refs/heads/${ref}`;
  const index = 'builds/builds.json';
  const record = `${build}/meta.json`;
  const stranger = join(world.dir, 'stranger-policy');
  await writeFile(stranger, `log ${vkey}\nwitness nobody ${VECTORS.witnessVkey}\nquorum nobody\n`);
  return [
    changed(object),
    ...images.slice(0, 2).map(changed),
    ...['meta.json', 'SHA256SUMS', 'SHA256SUMS.asc', 'lockfile.json', 'lockfile.json.asc'].map((name) =>
      changed(`${build}/${name}`),
    ),
    changed('get/verify.sh'),
    missing(`${build}/SHA256SUMS`),
    missing('get/verify.sh'),
    missing(object),
    missing(refFile),
    file('a ref that names an unlogged commit', refFile, pattern('unlogged', refFile), () =>
      writeFile(at(refFile), `${'ab'.repeat(32)}\n`),
    ),
    file('a build that nobody logged', index, /^unlogged build 20200101_01\/x86_64$/, async () => {
      const { builds, ...rest } = JSON.parse(await readFile(at(index), 'utf8'));
      await writeFile(
        at(index),
        JSON.stringify({ ...rest, builds: [...builds, { id: '20200101_01', arches: ['x86_64'] }] }),
      );
    }),
    file('a build that is gone', index, pattern('missing', `build ${build.slice('builds/'.length)}`), async () => {
      const { builds, ...rest } = JSON.parse(await readFile(at(index), 'utf8'));
      const left = builds.filter(({ id }: { id: string }) => !build.includes(id));
      await writeFile(at(index), JSON.stringify({ ...rest, builds: left }));
    }),
    file('a log that went back', 'log', /^rolled-back log$/, async () => {
      await rm(at('log'), { recursive: true });
      await cp(earlierLog, at('log'), { recursive: true });
    }),
    file('another log of the same key', 'log', /^split log$/, () => splitLog(world)),
    file('a changed entry', 'log', /^bad-log log$/, async () => {
      for (const path of await filesBelow(at('log/tile'))) await appendFile(at(`log/tile/${path}`), 'x');
    }),
    file('no log', 'log', /^bad-log log$/, () => rm(at('log'), { recursive: true })),
    {
      ...{ name: 'too few witnesses', code: 12, says: /^unwitnessed log$/, touches: [], apply: async () => undefined },
      options: ['--policy', stranger],
    },
    {
      ...{
        name: 'nobody says how old it is',
        code: 12,
        says: /^stale log$/,
        touches: [],
        apply: async () => undefined,
      },
      options: ['--log-key', vkey, '--max-age', '1d'],
    },
    {
      ...{ name: 'an earlier record', code: 12, says: pattern('behind', record), touches: [record] },
      apply: async () => {
        await rm(at(record));
        await writeFile(at(record), earlierRecord);
      },
      // It has been so for longer than a publish takes.
      state: (stored) => ({ ...stored, behind: { [record]: 1 } }),
    },
  ];
}

function pattern(kind: string, what: string): RegExp {
  return new RegExp(`^${kind} ${what.replaceAll('.', '\\.')}$`);
}

/** Puts another log of the same length and key in the place of a world's: its first entry is another. */
async function splitLog(world: World): Promise<void> {
  const task = testTask(world.dir);
  const log = parsePrivateKey(await readFile(join(world.dir, 'log.key'), 'utf8'), { file: 'log.key' });
  const target = openTarget({ type: 'directory', name: 'published', path: world.published, url: world.url });
  const tree = await openLog(target, await readLogHead(target, { log }, task), task);
  const entries: Buffer[] = [];
  for (let bundle = 0; entries.length < tree.size; bundle += 1) entries.push(...(await tree.bundle(bundle)));
  writeLog(world.published, { entries: entries.with(0, Buffer.from('another\n')), log, origin: log.name });
}
