import { readdir, stat } from 'node:fs/promises';
import { join, parse, relative } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import { isErrno, readRegular, sha256 } from '../../base/files.ts';
import { isUnreadable, systemReason } from '../../base/unreadable.ts';
import { type JsonSchema, knownKeys } from '../../base/yaml/known-keys.ts';
import { parseYaml } from '../../base/yaml/yaml-document.ts';
import { faultsError, schemaFaults } from '../../base/yaml/yaml-faults.ts';

/** Where the guest of a test begins: the build that is tested, or an earlier one that the test upgrades. */
export const STARTS = ['this build', 'previous build', 'previous release'] as const;

/** The shape of `NAME.yaml` beside a test; a test without one has the defaults. */
const declaration = z.strictObject({
  description: z.string().default(''),
  images: z.array(z.string()).min(1, 'names at least one').optional(),
  memory: z
    .string()
    .regex(/^[1-9]\d* ?(MiB|GiB)$/, 'must be a whole number of MiB or GiB, as in 2 GiB')
    .optional(),
  exclusive: z.boolean().default(false),
  reboots: z.boolean().default(false),
  timeout: z.int().min(5).max(86_400).default(300),
  tags: z.array(z.string().regex(/^[\w.-]+$/, 'must be a word')).default([]),
  'starts-from': z.enum(STARTS).default('this build'),
});

export interface TestFile {
  /** Relative to the guest's folder of a test, or to that of the data. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly isExecutable: boolean;
}

/** A test of the SIG's own. */
export interface GuestTest {
  readonly name: string;
  readonly program: Uint8Array;
  /** Image types it is for; undefined: the first that boots without being installed. */
  readonly images: readonly string[] | undefined;
  /** Text as in `2 GiB`; undefined: what the image type asks for. */
  readonly memory: string | undefined;
  /** Whether no other test may run in its guest. */
  readonly isAlone: boolean;
  readonly reboots: boolean;
  /** Seconds without output after which it counts as hung. */
  readonly timeoutSeconds: number;
  readonly tags: readonly string[];
  readonly startsFrom: (typeof STARTS)[number];
}

export interface TestFolder {
  /** Sorted by name. */
  readonly tests: readonly GuestTest[];
  /** What is below `data/`, for all tests. */
  readonly data: readonly TestFile[];
  /** SHA-256 over all of it. */
  readonly digest: string;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/;
const HINT = 'docs/tests.md describes tests and their declarations.';
const DATA = 'data';

/**
 * Reads a folder of tests: each executable in it is one, named without what follows its first dot, and `NAME.yaml` declares it.
 * @throws NightlyError `config` with every fault of a declaration as `file:line:col`, or for a name that no test may have.
 */
export async function readTestFolder(folder: string): Promise<TestFolder> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (!isErrno(error, 'ENOENT') && !isErrno(error, 'ENOTDIR')) throw error;
    throw new NightlyError('config', `There is no folder of tests ${folder}.`, { hint: HINT });
  });
  const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  const yaml = new Set(files.filter((name) => name.endsWith('.yaml')));
  const tests: GuestTest[] = [];
  for (const file of files.filter((name) => !yaml.has(name)).toSorted()) {
    const { mode } = await stat(join(folder, file)).catch((error: unknown) => {
      throw unread(folder, file, error);
    });
    if ((mode & 0o111) === 0) continue;
    const name = file.replace(/\..*/, '');
    if (!NAME.test(name)) throw fault(folder, `"${file}" cannot be the name of a test`);
    if (tests.some((one) => one.name === name)) throw fault(folder, `two files are the test "${name}"`);
    const declared = await readDeclaration(folder, yaml.delete(`${name}.yaml`) ? `${name}.yaml` : undefined);
    tests.push({ name, program: await read(folder, file), ...declared });
  }
  const [orphan] = yaml;
  if (orphan !== undefined)
    throw fault(folder, `${orphan} declares a test, but there is no executable ${parse(orphan).name}`);
  const data = await readData(join(folder, DATA));
  const parts = [
    ...tests.map(({ program, ...declared }) => [declared, sha256(program)]),
    ...data.map(({ path, content, isExecutable }) => [path, isExecutable, sha256(content)]),
  ];
  return { tests, data, digest: sha256(JSON.stringify(parts)) };
}

function fault(folder: string, what: string): NightlyError {
  return new NightlyError('config', `${folder}: ${what}.`, { hint: HINT });
}

/** A pipe or a device in the place of a file is waited for by nobody (I7). */
const read = (folder: string, file: string): Promise<Buffer> =>
  readRegular(join(folder, file)).catch((error: unknown) => {
    throw unread(folder, file, error);
  });

function unread(folder: string, file: string, error: unknown): unknown {
  if (isErrno(error, 'ENOENT'))
    return fault(folder, `${JSON.stringify(file)} leads to nothing, or has a name that is not UTF-8`);
  if (!isUnreadable(error)) return error;
  return fault(folder, `${JSON.stringify(file)} cannot be read: ${systemReason(error)}`);
}

async function readDeclaration(folder: string, name: string | undefined) {
  const text = name === undefined ? '' : (await read(folder, name)).toString('utf8');
  return parseDeclaration(text, join(folder, name ?? ''));
}

/** Reads the text of a declaration; an empty one has the defaults. @throws NightlyError `config` with every fault. */
export function parseDeclaration(text: string, file: string): Omit<GuestTest, 'name' | 'program'> {
  const { input, places } = parseYaml(text, file, HINT);
  const { data, error } = declaration.safeParse(input ?? {});
  if (error) {
    const json = z.toJSONSchema(declaration, { io: 'input', target: 'draft-7' }) as JsonSchema;
    const context = { input, places, knownKeys: (at: readonly PropertyKey[]) => knownKeys(json, at, input) };
    throw faultsError(file, schemaFaults(error.issues, context), HINT);
  }
  const { images, memory, exclusive, reboots, timeout: timeoutSeconds, tags, 'starts-from': startsFrom } = data;
  const isAlone = exclusive || reboots || startsFrom !== 'this build';
  return { images, memory, isAlone, reboots, timeoutSeconds, tags, startsFrom };
}

async function readData(folder: string): Promise<TestFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    paths.toSorted().map(async (path) => ({
      path: relative(folder, path),
      content: await read(folder, relative(folder, path)),
      isExecutable: ((await stat(path)).mode & 0o111) !== 0,
    })),
  );
}
