import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeFolder } from '../../../src/base/files.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { appendHistory } from '../../../src/content/tag-history.ts';
import { tagFolder, writeTagState } from '../../../src/content/tag-state.ts';
import type { ContentStatus } from '../../../src/service/content/content-service.ts';
import { pagesApp } from '../../../src/service/live/live-app.ts';
import { openWork } from '../../../src/service/live/work-folder.ts';
import type { Status } from '../../../src/service/status.ts';
import { serveApp } from '../../support/serve-app.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const A = 'storage7-gluster-7-release';
const B = 'cloud8s-openstack-yoga-release';
const C = 'kmods9s-packages-main-release';

async function world() {
  const config = parseConfig(
    `name: mini
targets: {mirror: {type: directory, path: ./mirror, url: 'https://example.org/'}}
streams: {nightly: {treefile: host.yaml, targets: [mirror]}}
koji: {server: 'https://koji.example.org/kojihub', topurl: 'https://koji.example.org/kojifiles'}
content:
  keys: {storage: {type: openpgp, key-file: ./storage.key}}
  rules: [{tags: <sig><release>-<project>-release, level: release, target: mirror, path: <release>/<sig>/<arch>/<project>}]
`,
    join(temporaryFolder(), 'atomic-nightly.yaml'),
    { rules: false },
  );
  const folder = tagFolder(config.work, A);
  await makeFolder(folder);
  await writeTagState(folder, {
    ...{
      version: 1,
      tag: A,
      tagId: 7,
      event: 123,
      settings: 'a'.repeat(64),
      pushed: true,
      at: 1_800_000_000,
      waiting: 0,
      arches: ['x86_64'],
      formerArches: [],
      left: [{ target: 'mirror', folder: 'old/<place>' }],
      looked: 123,
      since: 1,
    },
    packages: [
      { file: 'gluster-7.1-1.x86_64.rpm', payloadhash: 'b'.repeat(32), sha256: 'c'.repeat(64), build: 'gluster-7.1-1' },
    ],
    blocked: [{ file: '<b>evil</b>-1-1.noarch.rpm', why: 'its build is a draft' }],
  });
  await appendHistory(folder, {
    ...{ tag: A, level: 'release', key: 'ABCDEF', repositories: [], removed: [] },
    ...{ at: '2027-01-15T08:00:00.000Z', event: 123, pushed: true },
    added: [{ file: 'gluster-7.1-1.x86_64.rpm', sha256: 'c'.repeat(64), by: 'alice', event: 122 }],
  });
  const status: ContentStatus = {
    tags: [{ tag: B, running: true, failures: 0 }],
    problems: [{ tag: C, why: 'the removal of 40 of 50 packages' }],
    awaySince: 1_800_000_000_000,
  };
  const url = await serveApp(pagesApp({ config, work: openWork(config.work), content: () => status }));
  const page = async (path: string) => {
    const answer = await fetch(`${url}/${path}`);
    return { status: answer.status, text: await answer.text() };
  };
  return { config, page };
}

it('the page of all tags has state, queue, last publication and what is wrong', async () => {
  const { config, page } = await world();
  await mkdir(tagFolder(config.work, C), { recursive: true });
  await writeFile(join(tagFolder(config.work, C), 'state.json'), '{');
  const first = (await page('')).text;
  expect(first).toContain('<a href="content/">');
  // The first line says whether all is well: with tags, too.
  expect(first).not.toContain('All is well');
  for (const problem of ['hub has not answered since 2027-01-15 08:00', `Content: ${C}: the removal of 40 of 50`])
    expect(first.replaceAll('&#x27;', "'")).toContain(problem);
  const { nextSteps } = JSON.parse((await page('api/v1/status')).text) as Pick<Status, 'nextSteps'>;
  expect(nextSteps.slice(-2).map(({ nextStep }) => nextStep)).toEqual([
    expect.stringMatching(/^"atomic-nightly doctor" asks the hub/),
    expect.stringContaining(`"atomic-nightly content sync ${C}" tries again`),
  ]);
  const { status, text } = await page('content/');
  expect(status).toBe(200);
  expect(text).toContain('has not answered since');
  const rows = text.split('<tr>').filter((row) => row.includes('scope="row"'));
  expect(rows.map((row) => /href="([^"]+)\/"/.exec(row)?.[1])).toEqual([B, C, A].sort());
  expect(rows.find((row) => row.includes(A))).toMatch(/published[\s\S]*event 123[\s\S]*<td>1<\/td>\n<td>1<\/td>/);
  expect(rows.find((row) => row.includes(B))).toContain('being processed');
  // A damaged record is told on its row, and hides no other (I15).
  expect(rows.find((row) => row.includes(C))).toMatch(/failed[\s\S]*state\.json is damaged/);
});

it('the page of a tag has what is blocked and why, and who tagged what; names of others stay text', async () => {
  const { page } = await world();
  const { text } = await page(`content/${A}/`);
  expect(text).toContain('&lt;b&gt;evil&lt;/b&gt;-1-1.noarch.rpm</code>: its build is a draft');
  expect(text).toContain('added <code>gluster-7.1-1.x86_64.rpm</code> (alice)');
  expect(text).toContain('signed with <code>ABCDEF</code>');
  expect((await page(`content/${B}/`)).text).toContain('None yet.');
  for (const path of ['content/no-such-tag/', 'content/..%2F..%2Fetc/', 'content/%00/']) {
    expect((await page(path)).status).toBe(404);
  }
});
