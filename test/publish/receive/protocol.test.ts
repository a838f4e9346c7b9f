import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { byteReader, EndedEarly } from '../../../src/base/byte-reader.ts';
import { sha256 } from '../../../src/base/files.ts';
import { type PusherConfig, parseReceiveConfig } from '../../../src/config/receive.ts';
import { encodeVariant, swap64 } from '../../../src/ostree/gvariant.ts';
import { COMMIT_FORMAT, DIRTREE_FORMAT, type ObjectType, objectPath } from '../../../src/ostree/objects.ts';
import { run } from '../../../src/programs/exec.ts';
import { message, objectHeader } from '../../../src/publish/push/push-protocol.ts';
import { receivePush } from '../../../src/publish/receive/receive-push.ts';
import { takeObjects } from '../../../src/publish/receive/take-objects.ts';
import { fuzzAsync, mutatedBytes } from '../../support/fuzz.ts';
import { commitTestTree, makeRepo, TEST_REF } from '../../support/ostree-repo.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

interface Sent {
  readonly path: string;
  readonly content: Uint8Array;
}

/** A commit with all it needs, as a push sends it. */
let dir = '';
let commit = '';
let objects: Sent[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'atomic-nightly-test-'));
  const repo = await makeRepo(dir);
  commit = await commitTestTree({ repo, tree: { a: '1', 'usr/b': 'x'.repeat(3000) } });
  const names = (await readdir(join(repo, 'objects'), { recursive: true })).filter((name) => name.includes('.'));
  objects = await Promise.all(
    names.map(async (name) => ({ path: `objects/${name}`, content: await readFile(join(repo, 'objects', name)) })),
  );
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

const sum = (all: readonly Sent[]): number => all.reduce((total, { content }) => total + content.length, 0);
const body = (all: readonly Sent[]): Buffer =>
  Buffer.concat(all.flatMap(({ path, content }) => [objectHeader(path, content.length), content]));

const hello = (what: object = {}, to = commit) =>
  message({
    push: 1,
    root: '',
    refs: [{ ref: TEST_REF, commit: to, tag: false }],
    older: false,
    deltas: false,
    dry: false,
    ...what,
  });

/** All that a pusher says; nothing of it depends on the answers. */
const stream = (all: readonly Sent[], first = hello(), announced: object = { objects: all.length, bytes: sum(all) }) =>
  Buffer.concat([
    Buffer.from(first),
    Buffer.from(message(announced)),
    body(all),
    Buffer.from(message({ end: all.length })),
  ]);

async function* once(bytes: Uint8Array) {
  yield bytes;
}

function pusher(root: string): PusherConfig {
  const config = parseReceiveConfig(JSON.stringify({ pushers: { me: { root, refs: ['test/*'] } } }), '/x.yaml').get(
    'me',
  );
  if (!config) throw new Error('no such pusher');
  return config;
}

async function taken(bytes: Uint8Array, root = temporaryFolder()) {
  const told: object[] = [];
  const far = {
    reader: byteReader(once(bytes)),
    tell: (value: object) => void told.push(value),
    send: () => undefined,
  };
  const result = await receivePush(pusher(root), far, { refs: [], bytes: 0 }, testTask(root));
  return { result, told, root };
}

/** An object of any content under its right name. */
function made(type: ObjectType, content: Uint8Array, checksum = sha256(content)): Sent {
  return { path: objectPath(checksum, type), content };
}

/** A content object whose header says what it likes. */
function filez(mode: number, link = ''): Sent {
  const be = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes.readUInt32LE();
  };
  const fields = [0, 0, be(mode), 0, link, []];
  const framed = (header: Uint8Array) => {
    const length = Buffer.alloc(8);
    length.writeUInt32BE(header.length);
    return Buffer.concat([length, header]);
  };
  const checksum = sha256(framed(encodeVariant('(uuuusa(ayay))', fields)));
  return made('filez', framed(encodeVariant('(tuuuusa(ayay))', [0n, ...fields])), checksum);
}

const isOf = (type: string) => (one: Sent) => one.path.endsWith(`.${type}`);

/** The commit with another root: a folder that holds this one file. */
function commitOf(file: Sent, names: readonly string[] = ['file']): { readonly to: string; readonly all: Sent[] } {
  const meta = objects.find(isOf('dirmeta'));
  if (!meta) throw new Error('no dirmeta');
  const idOf = ({ path }: Sent) => Buffer.from(path.replace(/^objects|\/|\..*$/g, ''), 'hex');
  const tree = made('dirtree', encodeVariant(DIRTREE_FORMAT, [names.map((name) => [name, idOf(file)]), []]));
  const fields = [[], new Uint8Array(), [], '', '', swap64(1_767_225_600n), idOf(tree), idOf(meta)];
  const top = made('commit', encodeVariant(COMMIT_FORMAT, fields));
  return { to: sha256(top.content), all: [file, tree, meta, top] };
}

describe('what a push sends', () => {
  it('is taken when all is right, and what it relies on may be published already', async () => {
    const { told, root, result } = await taken(stream(objects));
    expect(told).toEqual([{ push: 1, refs: [{}] }]);
    expect(result.refs).toEqual([{ ref: TEST_REF, to: commit }]);
    await run('ostree', ['fsck', '--quiet', `--repo=${root}/repo`]);
    expect((await taken(stream([]), root)).result.refs).toEqual([{ ref: TEST_REF, from: commit, to: commit }]);
  });

  it.each<[what: string, bytes: () => Uint8Array, words: RegExp]>([
    [
      'an object that is missing',
      () => stream(objects.filter((one) => !isOf('filez')(one))),
      /is not whole: objects.*filez is missing/,
    ],
    [
      'a folder that is missing',
      () => stream(objects.filter((one) => !isOf('dirtree')(one))),
      /is not whole.*dirtree is missing/,
    ],
    ['a commit that is missing', () => stream(objects.filter((one) => !isOf('commit')(one))), /commit is missing/],
    ['an object that nobody needs', () => stream([...objects, filez(0o100644)]), /none of the commits needs it/],
    ['an object twice', () => stream([...objects, ...objects.slice(0, 1)]), /twice/],
    [
      'more than it announced',
      () => stream(objects, hello(), { objects: objects.length, bytes: 10 }),
      /more than the 10 bytes/,
    ],
    ['less than it announced', () => stream(objects, hello(), { objects: objects.length, bytes: 1e6 }), /fewer than/],
    [
      'a device',
      () => {
        const { to, all } = commitOf(filez(0o020644));
        return stream(all, hello({}, to));
      },
      /neither a file nor a symbolic link/,
    ],
    [
      'a FIFO',
      () => {
        const { to, all } = commitOf(filez(0o010644));
        return stream(all, hello({}, to));
      },
      /neither a file nor a symbolic link/,
    ],
    [
      'a socket',
      () => {
        const { to, all } = commitOf(filez(0o140644));
        return stream(all, hello({}, to));
      },
      /neither a file nor a symbolic link/,
    ],
    [
      'a link to nothing',
      () => {
        const { to, all } = commitOf(filez(0o120777));
        return stream(all, hello({}, to));
      },
      /neither a file nor a symbolic link/,
    ],
    [
      'two entries of one name',
      () => {
        const { to, all } = commitOf(filez(0o100644), ['a', 'a']);
        return stream(all, hello({}, to));
      },
      /two entries of one name/,
    ],
    [
      'a name that leads elsewhere',
      () => {
        const { to, all } = commitOf(filez(0o100644), ['..']);
        return stream(all, hello({}, to));
      },
      /no name/,
    ],
    [
      'a ref that is none',
      () => stream(objects, hello({ refs: [{ ref: 'test/../../x', commit, tag: false }] })),
      /push protocol/,
    ],
    [
      'a ref twice',
      () => stream(objects, hello({ refs: [1, 2].map(() => ({ ref: TEST_REF, commit, tag: false })) })),
      /two commits/,
    ],
    ['another root', () => stream(objects, hello({ root: '../..' })), /has no repository/],
    ['another version', () => stream(objects, hello({ push: 2 })), /push protocol/],
    ['a key of its own', () => stream(objects, hello({ admin: true })), /push protocol/],
  ])('is refused: %s, and nothing stays', async (_, bytes, words) => {
    const root = temporaryFolder();
    await expect(taken(bytes(), root)).rejects.toThrow(words);
    const left = await readdir(root, { recursive: true });
    expect(left.filter((name) => /repo|atomic-nightly-push/.test(name))).toEqual([]);
  });

  it('a connection that ends at any place leaves nothing', async () => {
    const whole = stream(objects);
    const root = temporaryFolder();
    for (let at = 0; at < whole.length; at += 97) {
      await expect(taken(whole.subarray(0, at), root)).rejects.toThrow(EndedEarly);
    }
    const left = await readdir(root, { recursive: true });
    expect(left.filter((name) => /repo|atomic-nightly-push/.test(name))).toEqual([]);
  });

  it('is accepted or refused, whatever it is', async () => {
    const staging = temporaryFolder();
    const samples = [body(objects), body(objects.slice(1))];
    await fuzzAsync(
      mutatedBytes(samples),
      async (bytes) => {
        await rm(join(staging, 'objects'), { recursive: true, force: true });
        const announced = { objects: objects.length, bytes: sum(objects) };
        return takeObjects(byteReader(once(bytes)), announced, staging, testTask(staging));
      },
      {
        refusals: [EndedEarly],
        check: (paths) => {
          for (const path of paths) expect(path).toMatch(/^objects\/[0-9a-f]{2}\/[0-9a-f]{62}\.[a-z]+$/);
        },
      },
    );
    const root = temporaryFolder();
    await mkdir(join(root, 'guard'));
    await fuzzAsync(mutatedBytes([stream(objects)]), (bytes) => taken(bytes, root), {
      refusals: [EndedEarly],
      runs: 200,
    });
    expect((await readdir(root)).filter((name) => !/^(repo|guard|task\.log|\.atomic-nightly.*)$/.test(name))).toEqual(
      [],
    );
  });
});

describe('the configuration of receive', () => {
  it('names every fault at once, with its place', () => {
    const text = [
      'pushers:',
      '  alice:',
      '    refs: []',
      '    root: ~/x',
      '    quota: {push: 2 GB}',
      '    allow: [everything]',
      '    verify-key: a.asc',
      '  "../bob": {root: /srv, refs: [a]}',
    ].join('\n');
    expect(() => parseReceiveConfig(text, 'receive.yaml')).toThrow(
      /receive.yaml has 6 faults:[\s\S]*receive.yaml:3:11: pushers.alice.refs: needs at least one ref/,
    );
  });

  it('fills in what is left out', () => {
    const text = 'pushers: {alice: {root: srv, refs: [a/*], quota: {all: 2G}, hook: [./look]}}';
    expect(parseReceiveConfig(text, '/etc/an/receive.yaml').get('alice')).toMatchObject({
      name: 'alice',
      root: { '': '/etc/an/srv' },
      verifyKeys: [],
      allow: [],
      hook: ['/etc/an/look'],
      quota: { allBytes: 2 ** 31 },
    });
  });
});
