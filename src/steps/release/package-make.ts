import { readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { filesBelow, makeFolder, withTemporaryFolder, writeFileAtomic } from '../../base/files.ts';
import { armoredKey } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import type { ReleasePackageConfig } from '../../config/config.ts';
import { formatVkey } from '../../log/note-keys.ts';
import { queryRpms, type RpmFile } from '../../programs/rpm.ts';
import { rpmBuild } from '../../programs/rpmbuild.ts';
import { readPolicy } from '../../publish/log/witness-log.ts';
import { type PackageContent, type PackageFacts, packageContent } from '../../reports/release/package.ts';
import { checkRpms } from '../../rpm/check-signatures.ts';
import { compareEvr } from '../../rpm/evr.ts';
import { signAnyRpm } from '../../rpm/signature/sign-rpm.ts';
import { type Project, streamSigners } from '../../run/project.ts';
import { openLogKey } from '../../signing/log-key.ts';

/** What a stream's release package would be now, beside what its repository has. */
export interface PackagePlan {
  readonly content: PackageContent;
  /** `name-version-release.arch` without what a template adds to the release. */
  readonly nevra: string;
  readonly release: string;
  /** The one in the repository, if nothing changed since it was made. */
  readonly unchanged?: RpmFile;
}

/** @throws NightlyError `config` when the stream has none. */
export function releasePackageOf({ stream, config }: Project): ReleasePackageConfig {
  if (stream.releasePackage) return stream.releasePackage;
  throw new NightlyError('config', `Stream "${stream.name}" has no release package.`, {
    hint: 'Add "release-package: {name: NAME, version: VERSION, repository: FOLDER}" to it: docs/release-package.md.',
    place: config.placeOf('streams', stream.name),
  });
}

/**
 * Finds out what the package is made of, and whether the newest one in the repository is the same.
 * @throws NightlyError `config` (a template, a version that goes back), `signing` (the key cannot be had).
 */
export async function planPackage(project: Project, task: Task): Promise<PackagePlan> {
  const { name, version, repository, templates } = releasePackageOf(project);
  const keys = await publicKeys(project, task);
  const policy = await trustOf(project);
  const facts = factsOf(project, { signs: keys.length > 0, verifies: policy !== undefined });
  const content = await packageContent(facts, templates, { publicKey: keys.join('') || undefined, policy });
  const files = (await filesBelow(repository)).filter(
    (path) => path.endsWith('.rpm') && basename(path).startsWith(`${name}-`),
  );
  const there = await withTemporaryFolder((home) =>
    queryRpms(
      files.map((file) => join(repository, file)),
      home,
      task,
    ),
  );
  const newest = there
    .filter((rpm) => rpm.name === name)
    .sort(compareEvr)
    .at(-1);
  if (newest && newest.version === version && newest.provides.includes(content.inputs)) {
    const { release, arch } = newest;
    return { content, release, nevra: `${name}-${version}-${release}.${arch}`, unchanged: newest };
  }
  const counted = newest?.version === version ? Number.parseInt(newest.release, 10) + 1 : 1;
  const release = String(counted);
  if (newest && compareEvr({ epoch: newest.epoch, version, release }, newest) <= 0) {
    throw new NightlyError('config', `${name}-${version}-${release} would be older than ${basename(newest.path)}.`, {
      hint: `Raise "version", or remove ${newest.path} if nobody has installed it.`,
      place: project.config.placeOf('streams', project.stream.name, 'release-package', 'version'),
    });
  }
  return { content, release, nevra: `${name}-${version}-${release}.noarch` };
}

/**
 * Makes the package, unless the repository has it, and puts it there: built, signed with the stream's first key, checked with
 * the public key alone, and only then seen under its name.
 * @param dir scratch folder, made anew
 * @throws NightlyError `signing`, `config`, `tool-failed`, those of `planPackage`.
 */
export async function makePackage(
  project: Project,
  dir: string,
  task: Task,
): Promise<{ readonly file: string; readonly nevra: string; readonly built: boolean }> {
  const plan = await planPackage(project, task);
  const { repository } = releasePackageOf(project);
  await rm(dir, { recursive: true, force: true });
  await makeFolder(dir);
  const { nevra, unchanged } = plan;
  if (unchanged) {
    await insistOnSignature(project, unchanged.path, dir, task);
    task.say(`${nevra} is up to date`);
    return { file: unchanged.path, nevra, built: false };
  }
  const rpm = await build(plan, dir, task);
  const [signer, ...others] = streamSigners(project.config, project.stream);
  if (signer) {
    await signAnyRpm(rpm, (data) => signer.sign(data, task), join(dir, 'sign'), task);
    if (others.length > 0) task.say('signed with the first key alone: an RPM holds one signature');
  } else {
    task.say(`stream "${project.stream.name}" does not sign: hosts that have ${nevra} check no signatures`);
  }
  await insistOnSignature(project, rpm, dir, task);
  const file = join(repository, basename(rpm));
  await writeFileAtomic(file, await readFile(rpm));
  task.say(`${basename(rpm)} for ${plan.content.facts.remote.url}, ${plan.content.facts.ref}`);
  return { file, nevra: basename(rpm, '.rpm'), built: true };
}

/** Builds it and looks whether a template of the project's own made what it should. */
async function build({ content, release }: PackagePlan, dir: string, task: Task): Promise<string> {
  const { facts, sources, inputs } = content;
  const [sourceDir, spec] = [join(dir, 'sources'), join(dir, `${facts.name}.spec`)];
  for (const [name, bytes] of sources) {
    await makeFolder(dirname(join(sourceDir, name)));
    await writeFile(join(sourceDir, name), bytes);
  }
  await writeFile(spec, content.spec(release));
  const places = { spec, sourceDir, topDir: dir, buildRoot: join(dir, 'root'), home: dir };
  // The same bytes all day: a run after a kill needs no second signature.
  const timestamp = Math.floor(Date.now() / 86_400_000) * 86_400;
  const path = await rpmBuild({ ...places, buildHost: 'localhost', timestamp }, task);
  const [made] = await queryRpms([path], dir, task);
  const wrong = [
    ...(made?.name === facts.name ? [] : [`its name is ${made?.name}, not ${facts.name}`]),
    ...(made?.version === facts.version ? [] : [`its version is ${made?.version}, not ${facts.version}`]),
    ...(Number.parseInt(made?.release ?? '', 10) === Number(release)
      ? []
      : [`its release does not begin with ${release}`]),
    ...[inputs, `${facts.capability} = ${facts.version}`]
      .filter((one) => !made?.provides.includes(one))
      .map((one) => `it does not provide ${one}`),
  ];
  if (wrong.length === 0) return path;
  throw new NightlyError('config', `package.spec.hbs does not make what it should: ${wrong.join('; ')}.`, {
    hint: 'Use {{name}}, {{version}}, {{release}}, {{capability}} and {{inputs}} in it as the built-in template does.',
  });
}

/** I2: with the public key alone, as rpm on a user's host would. */
async function insistOnSignature(project: Project, rpm: string, dir: string, task: Task): Promise<void> {
  const keys = await publicKeys(project, task);
  if (keys.length === 0) return;
  const [fault] = await checkRpms([rpm], keys, join(dir, 'keys'), task);
  if (!fault) return;
  throw new NightlyError('signing', `rpmkeys refuses ${rpm}: ${fault.report}.`, {
    hint: 'Keys of type RSA work with every rpm. Remove a file of the repository that somebody changed.',
    log: task.logFile,
  });
}

async function publicKeys({ config, stream }: Project, task: Task): Promise<string[]> {
  const keys: string[] = [];
  for (const signer of streamSigners(config, stream)) keys.push(armoredKey(await signer.publicKey(task)));
  return keys;
}

/** Whom hosts are to trust of the release log: the policy that the publisher keeps to; without one, the key of the log. */
async function trustOf({ config, stream }: Project): Promise<string | undefined> {
  const { log } = config;
  if (!stream.releasePackage?.verifyUpgrades || log === undefined) return undefined;
  if (log.policy !== undefined) {
    await readPolicy(log);
    return readFile(log.policy, 'utf8');
  }
  return `log ${formatVkey(await openLogKey(log))}\nquorum none\n`;
}

/** A release's hosts follow the mirror, not the place where it is tested. */
function factsOf(
  { config, stream, ref }: Project,
  { signs, verifies }: { readonly signs: boolean; readonly verifies: boolean },
): PackageFacts {
  const { name, version } = stream.releasePackage ?? { name: '', version: '' };
  const mirror = config.targets[stream.release?.to?.tree[0] ?? ''];
  return {
    name,
    version,
    product: config.name,
    stream: stream.name,
    arch: stream.arch,
    ref,
    remote: { name: stream.remote.name, url: mirror ? `${mirror.url}/repo` : stream.remote.url },
    capability: `${config.name}-remote`,
    keyFile: signs ? `/etc/pki/rpm-gpg/RPM-GPG-KEY-${name}` : '',
    verify: signs ? 'true' : 'false',
    log: verifies ? { scripts: `/usr/libexec/${name}`, policy: `/etc/${name}/log-policy` } : undefined,
  };
}
