import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filesBelow, readRegular, sha256 } from '../../base/files.ts';
import { fillIn } from '../../base/fill-in.ts';
import { SHIPPED } from '../../base/shipped.ts';

const SPEC = 'package.spec.hbs';
const UNIT = 'verified-upgrade.service.hbs';
/** What hosts verify upgrades with. */
const SCRIPTS = ['upgrade.sh', 'verify.sh'] as const;

/** What a package holds that is no template. */
export interface PackageKeys {
  /** Armored; undefined where the stream does not sign. */
  readonly publicKey: string | undefined;
  /** Whom to trust of the release log (c2sp.org/tlog-policy); undefined where upgrades are not verified. */
  readonly policy: string | undefined;
}

/** What the templates of a release package can say, but for its release and the digest, which follow from the rest. */
export interface PackageFacts {
  readonly name: string;
  readonly version: string;
  /** Name of the distribution. */
  readonly product: string;
  readonly stream: string;
  readonly arch: string;
  readonly ref: string;
  readonly remote: { readonly name: string; readonly url: string };
  /** What the release packages of all streams provide, and conflict with. */
  readonly capability: string;
  /** Where the public key will be; empty where the stream does not sign. */
  readonly keyFile: string;
  /** Whether clients check signatures, as OSTree writes it. */
  readonly verify: 'true' | 'false';
  /** Where the scripts are that verify upgrades, and whom they trust; none where hosts upgrade as they like. */
  readonly log?: { readonly scripts: string; readonly policy: string } | undefined;
}

/** A release package before it has a release number. */
export interface PackageContent {
  readonly facts: PackageFacts;
  /** Keyed by name, as they lie in `%{_sourcedir}`. */
  readonly sources: ReadonlyMap<string, string | Uint8Array>;
  /** Provided by the package, with a digest of everything it is made from: two with the same are the same but for their number. */
  readonly inputs: string;
  spec(release: string): string;
}

/**
 * Fills in the templates of a release package: each NAME.hbs becomes NAME, other files are taken as they are.
 * @param own folder with templates of the project's own; the built-in ones fill in the rest
 * @throws NightlyError `config` with the template's file and line.
 */
export async function packageContent(
  facts: PackageFacts,
  own: string | undefined,
  { publicKey, policy }: PackageKeys,
): Promise<PackageContent> {
  const sources = new Map<string, string | Uint8Array>();
  if (publicKey !== undefined) sources.set('RPM-GPG-KEY', publicKey);
  const names = new Set([
    ...(await filesBelow(SHIPPED.releasePackage)),
    ...(own === undefined ? [] : await filesBelow(own)),
  ]);
  names.delete(SPEC);
  if (policy === undefined) names.delete(UNIT);
  else {
    sources.set('policy', policy);
    for (const script of SCRIPTS) sources.set(script, await readFile(join(SHIPPED.verify, script)));
  }
  for (const name of [...names].toSorted()) {
    const file = placeOf(name, own);
    if (name.endsWith('.hbs'))
      sources.set(name.slice(0, -'.hbs'.length), filled((await readRegular(file)).toString('utf8'), facts, file));
    else sources.set(name, await readRegular(file));
  }
  const file = placeOf(SPEC, own);
  const template = (await readRegular(file)).toString('utf8');
  const spec = (release: string, inputs: string) => filled(template, { ...facts, release, inputs }, file);
  const parts = [spec('', ''), ...[...sources].map(([name, content]) => `${name} ${sha256(content)}`)];
  const inputs = `${facts.name}(inputs) = ${sha256(parts.join('\n'))}`;
  return { facts, sources, inputs, spec: (release) => spec(release, inputs) };
}

function placeOf(name: string, own: string | undefined): string {
  const mine = own === undefined ? undefined : join(own, name);
  return mine !== undefined && existsSync(mine) ? mine : join(SHIPPED.releasePackage, name);
}

function filled(text: string, values: object, file: string): string {
  return fillIn(text, values, { file, code: 'config' }, true);
}
