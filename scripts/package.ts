import { cp, readFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { makeFolder, withTemporaryFolder, writeJson } from '../src/base/files.ts';
import { PROJECT } from '../src/base/shipped.ts';
import { quietTask } from '../src/base/task.ts';
import { VERSION } from '../src/base/version.ts';
import { FILES, TOOLS } from '../src/doctor/check-tools.ts';
import { run } from '../src/programs/exec.ts';
import { rpmBuild } from '../src/programs/rpmbuild.ts';

// "npm run package [-- FOLDER]": the npm tarball and the RPM, by default in build/. Equal sources give equal bytes: the time
// in both is SOURCE_DATE_EPOCH, by default that of the last commit.

/** Only debuggers and compilers read them; a quarter of what the packages are. */
const NOT_RUN = /\.(?:map|d\.[cm]?ts)$/;

const ownFiles = z.array(z.object({ files: z.array(z.object({ path: z.string() })) })).length(1);
const manifest = z.looseObject({ dependencies: z.record(z.string(), z.string()) });

/** Copies what `npm pack` takes, and the packages needed to run, in the versions of package-lock.json. */
async function stage(folder: string): Promise<void> {
  const packed = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: PROJECT });
  const own = ownFiles.parse(JSON.parse(packed.stdout)).flatMap(({ files }) => files.map(({ path }) => path));
  for (const path of own) if (!NOT_RUN.test(path)) await cp(join(PROJECT, path), join(folder, path));
  const listed = await run('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: PROJECT });
  for (const path of listed.stdout.trim().split('\n').slice(1)) {
    // What is nested in a package is listed by itself, if it is needed to run.
    const filter = (file: string) => basename(file) !== 'node_modules' && !NOT_RUN.test(file);
    await cp(path, join(folder, relative(PROJECT, path)), { recursive: true, filter });
  }
  const { devDependencies, scripts, ...shipped } = manifest.parse(
    JSON.parse(await readFile(join(PROJECT, 'package.json'), 'utf8')),
  );
  // npm then installs without asking its registry for anything.
  await writeJson(join(folder, 'package.json'), {
    ...shipped,
    bundleDependencies: Object.keys(shipped.dependencies),
  });
}

/** Seconds since the epoch: the time stamp of everything. */
async function sourceDate(): Promise<number> {
  const given = process.env['SOURCE_DATE_EPOCH'];
  if (given !== undefined) return z.coerce.number().int().min(0).parse(given);
  const { stdout } = await run('git', ['log', '-1', '--format=%ct'], { cwd: PROJECT });
  return Number(stdout);
}

/** Packs a folder named `package`, as npm wants it, with every file readable by all. */
async function pack(folder: string, archive: string, timestamp: number): Promise<void> {
  await run('tar', [
    ...['--create', '--format=ustar', '--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX'],
    ...[`--mtime=@${timestamp}`, '--use-compress-program=gzip -9n', `--file=${archive}`],
    ...[`--directory=${dirname(folder)}`, basename(folder)],
  ]);
}

/** Returns what the RPM needs beside Node.js, and what it recommends, by the table that `doctor` goes by. */
function dependencies(): { readonly requires: string; readonly recommends: string } {
  const required = TOOLS.filter(({ neededBy }) => neededBy.includes('base'));
  const names = new Set(required.map(({ fedora }) => fedora));
  const shipped = [...TOOLS, ...FILES].filter(({ neededBy }) => neededBy.some((need) => need !== 'lab'));
  const others = new Set(shipped.map(({ fedora }) => fedora).filter((name) => !names.has(name)));
  return {
    requires: required
      .map(({ fedora, version }) => (version?.atLeast === undefined ? fedora : `${fedora} >= ${version.atLeast}`))
      .join(' '),
    recommends: [...others].sort().join(' '),
  };
}

async function makeRpm(tarball: string, scratch: string, out: string, timestamp: number): Promise<string> {
  const { requires, recommends } = dependencies();
  const rpm = await rpmBuild(
    {
      spec: join(PROJECT, 'packaging/atomic-nightly.spec'),
      buildRoot: join(scratch, 'root'),
      sourceDir: dirname(tarball),
      buildHost: 'localhost',
      topDir: join(scratch, 'rpmbuild'),
      home: scratch,
      timestamp,
      macros: {
        program_version: VERSION,
        program_requires: requires,
        program_recommends: recommends,
        // It is made seldom and sent often.
        _binary_payload: 'w9.gzdio',
      },
    },
    quietTask(),
  );
  const path = join(out, basename(rpm));
  await cp(rpm, path);
  return path;
}

const out = resolve(process.argv[2] ?? join(PROJECT, 'build'));
await makeFolder(out);
await withTemporaryFolder(async (scratch) => {
  const timestamp = await sourceDate();
  await stage(join(scratch, 'package'));
  const tarball = join(out, `atomic-nightly-${VERSION}.tgz`);
  await pack(join(scratch, 'package'), tarball, timestamp);
  console.log(tarball);
  console.log(await makeRpm(tarball, scratch, out, timestamp));
});
