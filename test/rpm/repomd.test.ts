import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseOther } from '../../src/rpm/other-metadata.ts';
import { parsePrimary } from '../../src/rpm/primary.ts';
import { parseRepoFile } from '../../src/rpm/repofile.ts';
import { metalinkDigests, parseMetalink, parseMirrorlist, parseRepomd, readRepository } from '../../src/rpm/repomd.ts';
import { parseUpdateinfo } from '../../src/rpm/updateinfo.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const REPOMD = `<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
  <revision>1.10</revision>
  <data type="primary"><timestamp>1763690000</timestamp></data>
  <data type="filelists"><timestamp>1763690054.75</timestamp></data>
</repomd>
`;
const SHA = createHash('sha256').update(REPOMD).digest('hex');

/** A web server that answers with what `answer` gives for a path: a status alone, or a text. */
async function serve(answer: (path: string) => number | string): Promise<{ url: string; requests: string[] }> {
  const requests: string[] = [];
  const server: Server = createServer((request, response) => {
    requests.push(request.url ?? '');
    const found = answer(request.url ?? '');
    response.statusCode = typeof found === 'number' ? found : 200;
    response.end(typeof found === 'number' ? '' : found);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

function repo(lines: string) {
  const [found] = parseRepoFile(`[r]\n${lines}\n`, '/x/r.repo', {});
  if (!found) throw new Error('no repository');
  return found;
}

describe('parseRepomd', () => {
  it('keeps the revision as text and takes the newest time stamp', () => {
    expect(parseRepomd(REPOMD)).toMatchObject({ revision: '1.10', generated: 1_763_690_054 });
  });

  it('refuses other XML and broken XML', () => {
    expect(() => parseRepomd('<feed></feed>')).toThrow('it begins with <feed>, not <repomd>');
    expect(() => parseRepomd('<html><title>Sign in</title></html>')).toThrow(/it is a web page \("Sign in"\)/);
    expect(() => parseRepomd('\n')).toThrow(/it is empty/);
    expect(() => parseRepomd('<repomd><data>')).toThrow();
  });
});

it.each<[string, string, (xml: string) => unknown]>([
  ['primary', 'metadata', (xml) => parsePrimary(xml, 'http://mirror.example.org/')],
  ['other', 'otherdata', (xml) => parseOther(xml, new Set())],
  ['updateinfo', 'updates', parseUpdateinfo],
  ['a metalink', 'metalink', parseMetalink],
  ['a metalink, for its digests', 'metalink', metalinkDigests],
])('K1: a document of another kind is no empty %s', (_, root, parse) => {
  expect(() => parse('<comps><update><id>X-1</id></update></comps>')).toThrow(`it begins with <comps>, not <${root}>`);
  expect(() => parse(`<?xml version="1.0"?><!-- made by hand --><x:${root} xmlns:x="urn:x"/>`)).not.toThrow();
});

describe('readRepository', () => {
  it('reads from a folder', async () => {
    const dir = temporaryFolder();
    mkdirSync(join(dir, 'repodata'));
    writeFileSync(join(dir, 'repodata/repomd.xml'), REPOMD);
    const state = await readRepository(repo(`baseurl=${pathToFileURL(dir).href}`), testTask(dir));
    expect(state).toEqual({
      id: 'r',
      url: `${pathToFileURL(dir).href}/`,
      sha256: SHA,
      revision: '1.10',
      generated: 1_763_690_054,
    });
  });

  it('tries again when the server fails', async () => {
    let count = 0;
    const { url } = await serve(() => {
      count += 1;
      return count < 3 ? 503 : REPOMD;
    });
    const state = await readRepository(repo(`baseurl=${url}`), testTask(temporaryFolder()));
    expect([state.sha256, count]).toEqual([SHA, 3]);
  });

  it('goes on to the next mirror, and does not ask a second time for what is not there', async () => {
    const { url, requests } = await serve((path) => {
      if (path === '/list') return `# mirrors\n${url}/dead\n${url}/alive/\n`;
      return path.startsWith('/alive') ? REPOMD : 404;
    });
    const state = await readRepository(repo(`mirrorlist=${url}/list`), testTask(temporaryFolder()));
    expect(state.url).toBe(`${url}/alive/`);
    expect(requests).toEqual(['/list', '/dead/repodata/repomd.xml', '/alive/repodata/repomd.xml']);
  });

  it('passes a mirror by that has another repomd.xml than the metalink names, as librepo does', async () => {
    const hashes = (...all: readonly string[]) => all.map((one) => `<hash type="sha256">${one}</hash>`).join('');
    const metalink = (url: string, newest: string, older: string) =>
      `<metalink xmlns="http://www.metalinker.org/" xmlns:mm0="x"><files><file name="repomd.xml">
        <mm0:alternates><mm0:alternate><verification>${hashes(older)}</verification></mm0:alternate></mm0:alternates>
        <verification><hash type="md5">00</hash>${hashes(newest)}</verification><resources>
        <url preference="9">${url}/old/repodata/repomd.xml</url><url preference="8">${url}/new/repodata/repomd.xml</url>
      </resources></file></files></metalink>`;
    let [newest, older] = [SHA, 'a'.repeat(64)];
    const { url } = await serve((path) => {
      if (path === '/list') return metalink(url, newest, older);
      return path.startsWith('/old') ? REPOMD.replace('1.10', '1.09') : REPOMD;
    });
    const read = () => readRepository(repo(`metalink=${url}/list`), testTask(temporaryFolder()));
    expect((await read()).url).toBe(`${url}/new/`);
    [newest, older] = ['b'.repeat(64), SHA];
    expect((await read()).url).toBe(`${url}/new/`);
    older = 'c'.repeat(64);
    await expect(read()).rejects.toMatchObject({
      code: 'repo-unreachable',
      message: expect.stringMatching(/old\S+: it is not the one that the metalink names.*new\S+: it is not the one/s),
    });
  });

  it('says what it tried when nothing answers', async () => {
    const task = testTask(temporaryFolder());
    const { url } = await serve(() => 404);
    await expect(readRepository(repo(`baseurl=${url}/x`), task)).rejects.toMatchObject({
      code: 'repo-unreachable',
      message: expect.stringContaining(`${url}/x/repodata/repomd.xml: HTTP 404`),
      place: { file: '/x/r.repo', line: 1 },
    });
    await expect(readRepository(repo('name=x'), task)).rejects.toMatchObject({ code: 'repo-unreachable' });
  });
});

describe('mirror lists', () => {
  it('takes repomd URLs of a metalink, preferred ones first', () => {
    const metalink = `<metalink xmlns="http://www.metalinker.org/"><files><file name="repomd.xml"><resources>
      <url protocol="https" preference="50">https://b.example.org/os/repodata/repomd.xml</url>
      <url protocol="rsync" preference="99">rsync://a.example.org/os/repodata/repomd.xml</url>
      <url protocol="https" preference="100">https://a.example.org/os/repodata/repomd.xml</url>
    </resources></file></files></metalink>`;
    expect(parseMetalink(metalink)).toEqual(['https://a.example.org/os/', 'https://b.example.org/os/']);
  });

  it('takes the URLs of a plain list', () => {
    expect(parseMirrorlist('# x\n\nhttp://a/\r\nftp://b/\n')).toEqual(['http://a/']);
  });
});
