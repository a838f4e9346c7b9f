import { expect, it } from 'vitest';
import { s3ServedBy } from '../../support/s3-served.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

const key = (name: string, size = '3'): string => `<Contents><Key>${name}</Key><Size>${size}</Size></Contents>`;
const more = (token?: string): string =>
  `<IsTruncated>true</IsTruncated>${token === undefined ? '' : `<NextContinuationToken>${token}</NextContinuationToken>`}`;
const last = '<IsTruncated>false</IsTruncated>';

/** Lists from a server that answers every listing with the next of these pages, the last one for ever. */
async function list(pages: readonly string[], folder = 'builds') {
  let asked = 0;
  const { target } = await s3ServedBy(
    (_, to) => {
      const page = pages[Math.min(asked, pages.length - 1)] ?? '';
      asked += 1;
      to.writeHead(200, { 'content-type': 'application/xml' });
      to.end(`<?xml version="1.0"?><ListBucketResult><Name>b</Name>${page}</ListBucketResult>`);
    },
    { name: 'bucket', bucket: 'b', prefix: 'top', parallel: 4 },
  );
  const paths: string[] = [];
  for await (const { path } of target.list(folder, testTask(temporaryFolder()))) paths.push(path);
  return { paths, asked };
}

it.each([
  ['says that it was the last page, and gives a token', `${last}<NextContinuationToken>t</NextContinuationToken>`],
  [
    'says that it was the last page, and gives an empty token',
    `${last}<NextContinuationToken></NextContinuationToken>`,
  ],
  ['does not say whether it was the last page', '<NextContinuationToken>t</NextContinuationToken>'],
])('ends when the server %s', async (_, end) => {
  expect(await list([key('top/builds/a') + end])).toEqual({ paths: ['builds/a'], asked: 1 });
});

it('takes page after page', async () => {
  const pages = [key('top/builds/a') + more('1'), key('top/builds/b') + more('2'), key('top/builds/c') + last];
  expect(await list(pages)).toEqual({ paths: ['builds/a', 'builds/b', 'builds/c'], asked: 3 });
});

it.each([
  ['goes on without saying where', [key('top/builds/a') + more()], 'names no continuation'],
  ['goes on with an empty token', [key('top/builds/a') + more('')], 'names no continuation'],
  ['goes round in circles', [more('1'), more('2'), more('1')], 'where it has been before'],
  ['names a key outside the folder', [key('top/other/a') + last], 'not below it'],
  ['names a key outside the prefix', [key('another/builds/a') + last], 'not below it'],
  ['gives no size', [`<Contents><Key>top/builds/a</Key></Contents>${last}`], 'no size'],
  ['gives a size that is none', [key('top/builds/a', '-1') + last], 'no size'],
])('refuses a listing that %s', async (_, pages, words) => {
  await expect(list(pages)).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining(words) });
});

it('leaves out keys that are no paths', async () => {
  const keys = ['top/builds/', 'top/builds/a', 'top/builds//b', 'top/builds/../c', 'top/builds/./d', 'top/builds/e/'];
  expect((await list([keys.map((name) => key(name)).join('') + last])).paths).toEqual(['builds/a']);
});
