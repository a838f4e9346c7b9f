import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { contentWorld, namedIn, RELEASE } from '../support/content-world.ts';
import { tagBuild, untagBuild } from '../support/koji-admin.ts';
import { buildForKoji, importBuilds } from '../support/koji-material.ts';
import { serveFolder } from '../support/nginx.ts';
import { startSshd } from '../support/sshd.ts';
import { temporaryFolder } from '../support/tmp.ts';

const [START, DAY] = [1_800_000_000, 86_400];
const X86 = 'SIGs/8/storage/x86_64/ceph';

/** The same story on each; the folder of this machine is in test/pipelines/content/publish.test.ts. */
it.each(['rsync', 'ssh'] as const)(
  'C1, C5: a tag is published, untagged and retired on a target of type %s',
  async (type) => {
    const dir = temporaryFolder();
    const published = join(dir, 'published');
    await mkdir(published);
    const server = await serveFolder({ root: published });
    onTestFinished(() => server.stop());
    const { port, identityFile, knownHostsFile } = await startSshd(join(dir, 'sshd'));
    const ssh = `{port: ${port}, identity-file: ${identityFile}, known-hosts-file: ${knownHostsFile}}`;
    const target = `type: ${type}, destination: "root@127.0.0.1:${published}", ssh: ${ssh}`;
    const { hub, sync } = await contentWorld(dir, { url: server.url, target });
    onTestFinished(() => hub.close());
    const [ceph, tools] = ['ceph', 'tools'];
    await importBuilds(hub, [await buildForKoji(join(dir, ceph), ceph), await buildForKoji(join(dir, tools), tools)]);
    await hub.transaction(async (state, say) => {
      for (const name of [ceph, tools]) await tagBuild(state, RELEASE, `${name}-1.0-1.el8`, say);
    });
    expect(await sync(RELEASE, { push: true, now: START })).toMatchObject({ state: 'published', added: 8 });
    expect((await namedIn(join(published, X86))).size).toBe(4);
    await hub.transaction((state, say) => untagBuild(state, RELEASE, 'tools-1.0-1.el8', say));
    const file = join(published, X86, 'Packages/t/tools-1.0-1.el8.x86_64.rpm');
    expect(await sync(RELEASE, { push: true, now: START + 60 })).toMatchObject({ state: 'published', removed: 4 });
    expect([(await namedIn(join(published, X86))).size, existsSync(file)]).toEqual([2, true]);
    expect(await sync(RELEASE, { push: true, now: START + 61 + DAY })).toMatchObject({ state: 'unchanged' });
    expect(existsSync(file)).toBe(false);
  },
  900_000,
);
