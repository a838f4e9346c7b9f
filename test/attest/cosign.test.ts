import { appendFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { formatVkey, noteSigner } from '../../src/log/note-keys.ts';
import { type CosignCommands, cosignCommands, cosignSays, trustedRoot } from '../support/cosign.ts';
import { describeWith } from '../support/oracles.ts';
import { type RekorServer, startRekor } from '../support/rekor-server.ts';
import { makeStatedWorld, newStatementKey } from '../support/stated-world.ts';
import type { World } from '../support/world.ts';

const OK = 'Verified OK';
const NO_SUBJECT = /^refused: .*(?:no matching subject digest|do not match digests in statement)/s;

describeWith(['cosign'], 'cosign and the statements of a night', () => {
  let world: World;
  let rekor: RekorServer;
  /** A copy of all that is published of the night, to be changed. */
  let folder: string;
  /** Its one image, by its path there. */
  let image: string;
  let commands: CosignCommands;

  beforeAll(async () => {
    const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
    rekor = await startRekor(join(dir, 'rekor'));
    world = await makeStatedWorld(dir, [`rekor: {url: '${rekor.url}', log-key: ${rekor.vkey}}`], ['iso']);
    const night = await world.nightly('nightly', '--json');
    expect(night.stderr).not.toContain('✗');
    const { build, commit } = JSON.parse(night.stdout);
    folder = join(dir, 'downloads');
    await cp(join(world.published, 'builds', build, 'x86_64'), folder, { recursive: true });
    await cp(
      join(world.published, 'repo/objects', commit.slice(0, 2), `${commit.slice(2)}.commit`),
      join(folder, 'commit'),
    );
    const images = await readdir(join(folder, 'images'));
    image = `images/${images.find((name) => name.endsWith('.iso')) ?? ''}`;
    await cp(join(dir, 'statements.pub'), join(folder, 'statements.pub'));
    await writeFile(join(folder, 'rekor-root.json'), trustedRoot(rekor.vkey));
    commands = await cosignCommands();
  }, 300_000);
  afterAll(async () => {
    await rekor.stop();
    await world.stop();
    await rm(world.dir, { recursive: true, force: true });
  });

  const says = (line: string, ...changes: readonly (readonly [string, string])[]): Promise<string> =>
    cosignSays(folder, line, changes);

  it('I2: accepts the statement of a build for the commit and each record, and that of an image for the image', async () => {
    const { plain } = commands;
    const { payload } = JSON.parse(await readFile(join(folder, 'provenance.intoto.jsonl'), 'utf8'));
    const { subject } = JSON.parse(Buffer.from(payload, 'base64').toString());
    const names: string[] = subject.map(({ name }: { readonly name: string }) =>
      name.startsWith('repo/') ? 'commit' : name,
    );
    expect(names).toEqual(expect.arrayContaining(['commit', 'lockfile.json', 'sbom.cdx.json', 'treefile.tar.gz']));
    for (const name of names) expect([name, await says(plain, ['lockfile.json', name])]).toEqual([name, OK]);
    // What the statement is not about; SHA256SUMS lists the statement itself.
    for (const name of [image, 'SHA256SUMS', 'meta.json'])
      expect([name, await says(plain, ['lockfile.json', name])]).toEqual([name, expect.stringMatching(NO_SUBJECT)]);
    const ofImage = ['provenance.intoto.jsonl', `${image}.intoto.jsonl`] as const;
    expect(await says(plain, ofImage, ['lockfile.json', image])).toBe(OK);
    expect(await says(plain, ofImage)).toMatch(NO_SUBJECT);
  });

  it('I2: accepts the bundle, whose log is one that its reader trusts', async () => {
    expect(await says(commands.bundle)).toBe(OK);
    expect(await says(commands.bundle, ['lockfile.json', 'commit'])).toBe(OK);
    expect(await says(commands.bundle, ['lockfile.json', image])).toMatch(NO_SUBJECT);
  });

  it('refuses another key, a changed file, another statement, and each part of the proof changed', async () => {
    const otherKey = ['statements.pub', 'other.pub'] as const;
    await newStatementKey(folder, 'other');
    for (const line of [commands.plain, commands.bundle]) expect(await says(line, otherKey)).toMatch(/^refused: /);
    await cp(join(folder, 'lockfile.json'), join(folder, 'changed.json'));
    await appendFile(join(folder, 'changed.json'), ' ');
    for (const line of [commands.plain, commands.bundle])
      expect(await says(line, ['lockfile.json', 'changed.json'])).toMatch(NO_SUBJECT);
    const changed = async (file: string, name: string, edit: (text: string) => string) => {
      const text = await readFile(join(folder, file), 'utf8');
      const other = edit(text);
      expect(other, name).not.toBe(text);
      await writeFile(join(folder, 'changed'), other);
      const line = file === 'provenance.intoto.jsonl' ? commands.plain : commands.bundle;
      expect([name, await says(line, [file, 'changed'])]).toEqual([name, expect.stringMatching(/^refused: /)]);
    };
    const flip = (member: string) => (text: string) =>
      text.replace(
        new RegExp(`("${member}":"[^"]{20})(.)`),
        (_, before, letter) => `${before}${letter === 'A' ? 'B' : 'A'}`,
      );
    for (const member of ['payload', 'sig']) await changed('provenance.intoto.jsonl', member, flip(member));
    for (const member of ['payload', 'sig', 'canonicalizedBody', 'envelope'])
      await changed('provenance.sigstore.json', member, flip(member));
    await changed('provenance.sigstore.json', 'no entry', (text) =>
      text.replace(/"tlogEntries":\[.*\]\}/, '"tlogEntries":[]}'),
    );
    // It reads size and root from the checkpoint alone.
    await changed('provenance.sigstore.json', 'logIndex', (text) =>
      text.replaceAll('"logIndex":"3"', '"logIndex":"0"'),
    );
    await changed('provenance.sigstore.json', 'hashes', (text) => text.replace(/("hashes":\[)"[^"]+",?/, '$1'));
    await writeFile(
      join(folder, 'other-root.json'),
      trustedRoot(formatVkey(noteSigner('rekor.example.org', 'ed25519', Buffer.alloc(32, 12)))),
    );
    expect(await says(commands.bundle, ['rekor-root.json', 'other-root.json'])).toMatch(/^refused: /);
  });
});
