import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { buildPaths } from '../../src/build/build-store.ts';
import { checkRecords } from '../../src/doctor/records.ts';
import { serviceFolder } from '../../src/service/service-state.ts';
import { makePageBuilds } from '../support/page-builds.ts';
import { configureService, endService, startServe } from '../support/service.ts';
import { temporaryFolder } from '../support/tmp.ts';

it('I15: beside a damaged state, record, journal and lock the service starts, names them, and serves everything else', async () => {
  const dir = temporaryFolder();
  const { config, ids } = await makePageBuilds(dir, 4);
  const [bad = '', good = ''] = ids;
  const { meta } = buildPaths(config.work, bad, 'x86_64');
  writeFileSync(meta, '');
  writeFileSync(buildPaths(config.work, good, 'x86_64').journal, '\0garbage\n');
  writeFileSync(join(config.work, 'lock.json'), '');
  writeFileSync(join(config.work, 'builds/20301231_01'), '');
  mkdirSync(serviceFolder(config.work), { recursive: true });
  writeFileSync(join(serviceFolder(config.work), 'state.json'), '{"moments": [');
  expect(await checkRecords(config)).toMatchObject([
    { state: 'note', detail: expect.stringContaining('20301231_01 is damaged') },
    { state: 'note', detail: expect.stringContaining(`${meta} is damaged`) },
  ]);
  await configureService({ config: config.path });
  const world = { dir };
  const service = await startServe(world);
  try {
    const get = async (path: string) => {
      const answer = await fetch(service.url + path);
      return { status: answer.status, text: await answer.text() };
    };
    const ready = await get('/readyz');
    expect(ready.status).toBe(200);
    expect(ready.text).toMatch(/^ready\nwarning: .*20301231_01 is damaged/);
    expect(ready.text).toContain(`warning: ${meta} is damaged: it is empty.`);
    expect((await get('/metrics')).text).toContain('\natomic_nightly_damaged_records 2\n');
    for (const path of ['/', '/feed.atom', '/get/', '/streams/nightly/', `/builds/${good}/x86_64/`])
      expect([path, (await get(path)).status]).toEqual([path, 200]);
    expect((await get(`/builds/${bad}/x86_64/`)).text).toContain('is damaged: it is empty');
    expect(service.said()).toMatch(/state\.json is damaged: .* It is set aside as /);
    const aside = readdirSync(serviceFolder(config.work)).filter((name) => name.startsWith('state.json.damaged-'));
    expect(aside.map((name) => readFileSync(join(serviceFolder(config.work), name), 'utf8'))).toEqual([
      '{"moments": [',
    ]);
    expect(await service.end('SIGTERM')).toBe(0);
  } finally {
    await endService(service, world);
  }
});
