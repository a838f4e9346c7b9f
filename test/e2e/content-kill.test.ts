import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/base/files.ts';
import { signedPath } from '../../src/koji/koji-files.ts';
import { contentWorld, namedIn, RELEASE } from '../support/content-world.ts';
import { tagBuild } from '../support/koji-admin.ts';
import { buildForKoji, importBuilds } from '../support/koji-material.ts';
import { placeOf } from '../support/koji-methods.ts';
import { serveFolder } from '../support/nginx.ts';
import { killIfThere } from '../support/processes.ts';
import { sharedFolder } from '../support/tmp.ts';
import { runCli, startCli } from '../support/world.ts';

const dir = sharedFolder();
await mkdir(join(dir, 'published'));
const server = await serveFolder({ root: join(dir, 'published') });
const world = await contentWorld(dir, { url: server.url });
const { hub, key } = world;
afterAll(async () => {
  await server.stop();
  await hub.close();
});
const STEPS = [
  'plan',
  'fetch',
  'sign',
  'import',
  'check',
  'repositories',
  'push',
  'verify',
  'settle',
  'retire',
  'record',
];
await importBuilds(hub, await Promise.all(STEPS.map((step) => buildForKoji(join(dir, step), step))));
const sync = (...args: string[]) => runCli(dir, ['content', 'sync', ...args, '--json']);
const X86 = join(world.published, 'SIGs/8/storage/x86_64/ceph');

describe('C7: killed in a step and run again, the result is that of an undisturbed run, with one signature in koji', () => {
  it.each(STEPS)('%s', async (step) => {
    await hub.transaction((state, say) => tagBuild(state, RELEASE, `${step}-1.0-1.el8`, say));
    const child = startCli(dir, ['content', 'sync', RELEASE]);
    const ended = new Promise((resolve) => child.on('close', resolve));
    child.stderr.on('data', (text) => {
      if (String(text).includes(`… ${RELEASE} ${step}`) && child.pid !== undefined) killIfThere(-child.pid);
    });
    expect(await ended).toBe(null);
    const given = new Map(hub.state().signatures);
    const ran = await sync(RELEASE);
    expect([ran.code, ran.stderr]).toEqual([0, expect.not.stringContaining('error')]);
    const { signatures, rpms, builds } = hub.state();
    for (const [id, header] of given) expect(signatures.get(id)?.equals(header)).toBe(true);
    const named = await namedIn(X86);
    expect(named.has(`Packages/${step.charAt(0)}/${step}-1.0-1.el8.x86_64.rpm`)).toBe(true);
    for (const rpm of rpms.values()) {
      const digest = named.get(`Packages/${rpm.name.charAt(0)}/${rpm.name}-1.0-1.el8.${rpm.arch}.rpm`);
      const build = builds.get(rpm.buildId);
      if (digest === undefined || !build) continue;
      const copy = join(hub.topdir, signedPath(placeOf(build), rpm, key.fingerprint.slice(-8).toLowerCase()));
      expect(digest).toBe(`sha256:${sha256(readFileSync(copy))}`);
    }
    expect(await sync(RELEASE)).toMatchObject({ code: 10 });
  });
});
