import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { rebuildStatement } from '../../attest/compose-rebuild.ts';
import { signStatement } from '../../attest/sign-statement.ts';
import { makeFolder, writeFileAtomic } from '../../base/files.ts';
import { isBuildId } from '../../build/build-id.ts';
import { EXIT } from '../../build/outcomes.ts';
import { architectureSchema, hostArchitecture } from '../../config/architecture.ts';
import { loadConfig } from '../../config/load.ts';
import { type Rebuilt, rebuildCompose } from '../../pipelines/rebuild-compose.ts';
import { publicFiles } from '../../publish/verify/public-http.ts';
import { takeRunLock } from '../../run/run-lock.ts';
import { openStatementSigner, type StatementSigner } from '../../signing/statement-signer.ts';
import type { RunContext } from '../context.ts';
import { defineCommand, usageError } from '../define.ts';
import { choice, flag, needed, text, words } from '../inputs.ts';
import { readLogTrust } from '../log-trust.ts';
import { type Printer, printJson } from '../print.ts';
import { refuseControlCharacters } from '../typed.ts';
import { withSteps } from '../with-steps.ts';

/** So many paths are printed. */
const SHOWN = 20;

/**
 * `atomic-nightly rebuild-compose BUILD --from URL`: composes a published build again on this machine, from what its target serves to
 * anybody, and compares the trees. Gives the exit code.
 * @throws NightlyError `usage`, `not-found`, `verify`, `signing`, `log`, `package-missing`, `package-unsigned`, those of the engine.
 */
export const rebuildComposeCommand = defineCommand({
  name: 'rebuild-compose',
  section: 'Releases',
  summary: 'compose a published build again on any machine, compare the trees, and sign the result',
  arguments: { build: needed('BUILD', 'build id') },
  options: {
    from: text('URL', 'target that has the build: below it lie "builds" and "repo"', { required: true }),
    nightsFrom: text('URL', 'target with the nightly build that a promotion was made of; default: the same'),
    arch: choice('ARCH', architectureSchema.options, 'architecture; only that of this machine can be composed'),
    work: text('FOLDER', 'folder for packages and trees, kept for the next time', {
      default: 'rebuild-compose',
      completes: 'folder',
    }),
    images: flag('also make its images again, and compare what is in them'),
    imageTypes: text('FOLDER', 'image types that do not come with this program, a folder each; with --images', {
      completes: 'folder',
    }),
    repo: words('FILE.repo', 'repositories to look for packages in, in place of published ones of the same id'),
    gpgKey: words('FILE', 'public keys of the publisher: one must have signed the records and the commit'),
    logKey: text('VKEY', 'the release log with this public key must have them'),
    policy: text('FILE', 'whom to trust instead: logs, witnesses, and how many of these', { completes: 'file' }),
    by: text('URI', 'URI of whoever answers for the statement; without it none is written'),
    key: text(
      'FILE',
      'private key on the curve P-256 in PEM that signs the statement; default: builders.statement.key',
      { completes: 'file' },
    ),
    output: text('FILE', 'where the statement goes; default: rebuild-BUILD-ARCH.intoto.jsonl', { completes: 'file' }),
    json: flag('for scripts'),
  },
  exitCodes: { 0: 'all is identical', 1: 'it could not be composed', 12: 'the trees or images differ' },
  notes:
    'It needs no configuration and runs as root. Scripts of the packages and of the treefile run in a jail; docs/rebuild-compose.md says what one trusts.',
  examples: [
    'atomic-nightly rebuild-compose 20261121_02 --from https://buildlogs.example.org/atomic',
    'atomic-nightly rebuild-compose 20261121_02 --from https://buildlogs.example.org/atomic --by https://example.net/rebuilds --key rebuilds.pem',
    'atomic-nightly rebuild-compose 20261121_02 --from https://buildlogs.example.org/atomic --gpg-key nightly.gpg --repo archive.repo',
    'atomic-nightly rebuild-compose 20261121_02 --from https://buildlogs.example.org/atomic --images',
  ],
  interruptible: true,
  async run(options, context) {
    const { build: id, by, key, json, gpgKey: gpgKeys, logKey, policy } = options;
    refuseControlCharacters({ by });
    if (!isBuildId(id)) throw usageError('rebuild-compose', `"${id}" is no build id; these look like 20261121_02.`);
    if (by === undefined && key !== undefined)
      throw usageError('rebuild-compose', 'A statement needs to say with --by who answers for it.');
    if (options.imageTypes !== undefined && !options.images)
      throw usageError('rebuild-compose', '--image-types is for --images.');
    const trusted = await readLogTrust('rebuild-compose', { logKey, policy, state: undefined, maxAge: undefined });
    const arch = options.arch ?? hostArchitecture();
    if (arch !== hostArchitecture())
      throw usageError('rebuild-compose', `This machine is ${hostArchitecture()}: run it on one of ${arch}.`);
    const signer = by === undefined ? undefined : await openSigner(key, context.config);
    await signer?.check();
    const placeAt = (url: string) => ({
      ...{ id, arch, url, files: publicFiles(url, context.signal) },
      trust: { gpgKeys: gpgKeys.map((file) => resolve(file)), policy: trusted?.policy },
    });
    const from = urlOf('--from', options.from);
    const nights = options.nightsFrom === undefined ? from : urlOf('--nights-from', options.nightsFrom);
    const work = resolve(options.work);
    await makeFolder(work, 0o700);
    const lock = await takeRunLock(work, `rebuild-compose ${id}`);
    try {
      const request = {
        place: placeAt(from),
        nights: placeAt(nights),
        work,
        repos: options.repo.map((file) => resolve(file)),
        images: options.images ? { types: options.imageTypes && resolve(options.imageTypes) } : undefined,
      };
      const output = resolve(options.output ?? `rebuild-${id}-${arch}.intoto.jsonl`);
      const rebuilt = await withSteps(work, context, (runner) => rebuildCompose(request, runner));
      const file = await writeStatement(rebuilt, { by, signer, output, work }, context);
      const { found, notCompared } = rebuilt;
      if (json) printJson({ ...found, notCompared, statement: file ?? null }, context.print);
      else printRebuilt(rebuilt, { work, file }, context.print);
      return found.verdict === 'identical' ? EXIT.done : EXIT.gateFailed;
    } finally {
      await lock.release();
    }
  },
});

/** The key that an option names, or that signs results of builders in the configuration. */
async function openSigner(key: string | undefined, configPath: string): Promise<StatementSigner> {
  if (key !== undefined) return openStatementSigner({ type: 'key-file', keyFile: resolve(key) });
  const statement = existsSync(configPath) ? (await loadConfig(configPath)).builders?.statement : undefined;
  if (statement !== undefined) return openStatementSigner(statement.key);
  throw usageError(
    'rebuild-compose',
    'A statement needs a key: name one with --key, or "builders: {statement: …}" in the configuration.',
  );
}

function urlOf(option: string, url: string): string {
  if (/^https?:\/\/[^\s/]/.test(url)) return url.replace(/\/+$/, '');
  throw usageError('rebuild-compose', `${option} ${url}: must be the http or https URL of a target.`);
}

/** Writes the statement where somebody signs it. @returns its file */
async function writeStatement(
  { found }: Rebuilt,
  {
    by,
    signer,
    output,
    work,
  }: {
    readonly by: string | undefined;
    readonly signer: StatementSigner | undefined;
    readonly output: string;
    readonly work: string;
  },
  context: RunContext,
): Promise<string | undefined> {
  if (by === undefined || signer === undefined) return undefined;
  return withSteps(work, context, (runner) =>
    runner.step('statement', {}, async (task) => {
      await writeFileAtomic(output, await signStatement(rebuildStatement({ rebuilder: by, ...found }), signer, task));
      return output;
    }),
  );
}

function printRebuilt(
  { found, differences, notCompared }: Rebuilt,
  { work, file }: { readonly work: string; readonly file: string | undefined },
  print: Printer,
): void {
  const { build, commit, published, rebuilt, verdict, images } = found;
  print(`${verdict === 'identical' ? 'identical' : 'DIFFERS'}: build ${build.id} for ${build.arch}, commit ${commit}`);
  print(`  published content ${published}`);
  print(`  rebuilt content   ${rebuilt}`);
  for (const { kind, path, owner } of differences.slice(0, SHOWN))
    print(`  ${kind} ${path}${owner === undefined ? '' : ` (${owner})`}`);
  const more = differences.length - SHOWN;
  if (more > 0) print(`  and ${more} more: ${work}/differences.json`);
  for (const image of images ?? []) {
    if (image.published === image.rebuilt) print(`  image ${image.type}: identical, ${image.published}`);
    else print(`  image ${image.type} DIFFERS: published ${image.published}, rebuilt ${image.rebuilt}: ${work}/images`);
  }
  for (const type of notCompared) print(`  image ${type}: not compared, XFS is not the same each time`);
  if (file === undefined)
    print('No statement was written: name yourself with --by and your key with --key to sign what you found.');
  else print(`Statement: ${file}; send it to whoever publishes the build.`);
}
