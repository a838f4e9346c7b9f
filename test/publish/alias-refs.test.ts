import { lstat, mkdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isRef } from '../../src/ostree/ref.ts';
import { run } from '../../src/programs/exec.ts';
import { aliasesOf, HEADS_FOLDER, refBehind } from '../../src/publish/alias-refs.ts';
import { applyPublish } from '../../src/publish/apply.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { setRef } from '../../src/publish/move-ref.ts';
import { planPublish } from '../../src/publish/publish-plan.ts';
import { isSound, planLines } from '../../src/publish/reconcile/reconcile-plan.ts';
import { planReconcile, reconcileTarget } from '../../src/publish/reconcile/reconcile-target.ts';
import { summaryRefs } from '../../src/publish/summary.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import type { Target } from '../../src/targets/target.ts';
import { commitTestTree, makeRepo, TEST_TIME } from '../support/ostree-repo.ts';
import { sharedRadosgw, whyNoRadosgw } from '../support/radosgw.ts';
import { startRsyncd } from '../support/rsyncd.ts';
import { makeBucket } from '../support/s3-bucket.ts';
import { startSshd } from '../support/sshd.ts';
import { accessOf, rsyncOverSsh, tarOverSsh, URL } from '../support/target-beds.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const [MAIN, ALIAS, OTHER] = ['os/main', 'os/stable', 'os/next/devel'];
const heads = (far: string, ref: string): string => join(far, HEADS_FOLDER, ref);
const text = async (far: string, ref: string): Promise<string> => (await readFile(heads(far, ref), 'utf8')).trim();

type Opened = (dir: string, far: string) => Promise<Target>;

const KINDS: readonly (readonly [string, Opened])[] = [
  ['directory', async (_, far) => openTarget({ type: 'directory', name: 'far', path: far, url: URL })],
  ['ssh', async (dir, far) => tarOverSsh(accessOf(await startSshd(join(dir, 'sshd'))), far)],
  [
    'rsync over ssh',
    async (dir, far) => rsyncOverSsh(accessOf(await startSshd(join(dir, 'sshd'), { rrsync: far })), 'root@127.0.0.1:/'),
  ],
  [
    'rsync daemon',
    async (dir, far) => {
      const { destination, passwordFile } = await startRsyncd(join(dir, 'rsyncd'), far);
      return openTarget({ type: 'rsync', name: 'far', destination, ssh: {}, passwordFile, url: URL });
    },
  ],
];

/** Two refs published at one commit, and a second commit that follows it. */
async function bed(open: (dir: string) => Promise<Target>) {
  const dir = temporaryFolder();
  await mkdir(join(dir, 'near'));
  const repo = await makeRepo(join(dir, 'near'));
  const target = await open(dir);
  const task = testTask(dir);
  const args = ['--bind-ref=os/stable', '--bind-ref=os/next/devel'];
  const first = await commitTestTree({ repo, ref: MAIN, tree: { a: '1' }, version: '20260101_01', args });
  const next = { repo, ref: MAIN, tree: { a: '2' }, parent: first, timestamp: TEST_TIME + 1, version: '20260102_01' };
  const second = await commitTestTree({ ...next, args });
  const publish = async (ref: string, commit: string) =>
    applyPublish(await planPublish({ repo, ref, commit, target }, task), { repo, target, log: NO_LOG }, task);
  await publish(MAIN, first);
  await publish(OTHER, first);
  return { dir, repo, target, task, first, second, publish };
}

it.each(KINDS)(
  'I16: %s: nothing is published to an alias, and no other ref moves; an alias follows its ref',
  async (_, open) => {
    let far = '';
    const { repo, target, task, first, second, publish } = await bed(async (dir) => {
      far = join(dir, 'far');
      await mkdir(far);
      return open(dir, far);
    });
    await run('ostree', [`--repo=${join(far, 'repo')}`, 'refs', '--alias', `--create=${ALIAS}`, MAIN]);
    await run('ostree', [`--repo=${join(far, 'repo')}`, 'summary', '--update']);
    // ostree itself stops at these.
    await symlink('next', heads(far, 'os/preview'));
    await symlink('nowhere', heads(far, 'os/dangling'));
    await symlink('circle', heads(far, 'os/circle'));
    await symlink('/etc', heads(far, 'os/host'));
    const summary = await readFile(join(far, 'repo/summary'));
    expect([...summaryRefs(summary).keys()]).toContain(ALIAS);

    for (const [ref, why] of [
      [ALIAS, `os/stable on target "far" is an alias of ${MAIN}`],
      ['os/preview/devel', `is an alias of ${OTHER}`],
      ['os/preview/new', 'is an alias of os/next/new'],
      ['os/dangling', 'is an alias of os/nowhere'],
      ['os/circle', 'is a symbolic link that leads to no other ref'],
      ['os/host/passwd', 'is a symbolic link that leads to no other ref'],
    ] as const) {
      const refused = { code: 'unsupported', message: expect.stringContaining(why) };
      await expect(planPublish({ repo, ref, commit: second, target }, task), ref).rejects.toMatchObject(refused);
      await expect(setRef({ log: NO_LOG, repo, target, ref, commit: first }, task), ref).rejects.toMatchObject(refused);
    }
    expect(await readFile(join(far, 'repo/summary'))).toEqual(summary);
    expect([await text(far, MAIN), await text(far, OTHER)]).toEqual([first, first]);
    for (const [ref, to] of [
      [ALIAS, '../os/main'],
      ['os/preview', 'next'],
      ['os/dangling', 'nowhere'],
    ] as const)
      expect(await readlink(heads(far, ref))).toBe(to);

    await publish(MAIN, second);
    expect((await lstat(heads(far, ALIAS))).isSymbolicLink()).toBe(true);
    const listed = summaryRefs(await readFile(join(far, 'repo/summary')));
    expect(Object.fromEntries(listed)).toMatchObject({ [MAIN]: second, [ALIAS]: second, [OTHER]: first });

    // Somebody else's tool moved the ref and left the alias behind in the summary.
    await writeFile(join(far, 'repo/summary'), summary);
    const request = { repo, target, refs: [MAIN], streams: [], signed: false, checksums: false };
    const repairs = {
      flip: (ref: string, commit: string) => setRef({ log: NO_LOG, repo, target, ref, commit }, task),
      log: async () => undefined,
      index: async () => undefined,
    };
    expect((await planReconcile(request, task)).flips).toMatchObject([{ ref: MAIN, commit: second }]);
    await reconcileTarget(request, repairs, task);
    expect(summaryRefs(await readFile(join(far, 'repo/summary'))).get(ALIAS)).toBe(second);
    expect(await readlink(heads(far, ALIAS))).toBe('../os/main');
    const again = await planReconcile(request, task);
    expect(isSound(again), planLines(again).join('\n')).toBe(true);
  },
  120_000,
);

it('a circle of links and one that leads out of the refs are named by reconcile, and written over by nothing', async () => {
  let far = '';
  const { repo, target, task } = await bed(async (dir) => {
    far = join(dir, 'far');
    return openTarget({ type: 'directory', name: 'far', path: far, url: URL });
  });
  await symlink('circle', heads(far, 'os/circle'));
  await symlink('../../../summary', heads(far, 'os/out'));
  const plan = await planReconcile(
    { repo, target, refs: [MAIN, 'os/circle'], streams: [], signed: false, checksums: false },
    task,
  );
  expect(plan.flips).toEqual([]);
  expect(plan.unrepairable.map(({ what, why }) => `${what}: ${why}`)).toContain(
    'ref os/out: it is a symbolic link that leads to no ref',
  );
});

it.skipIf(whyNoRadosgw() !== undefined)(
  'I16: S3: what was an alias where it was copied from is a ref of its own, and each ref moves alone',
  async () => {
    const { config, look } = await makeBucket(await sharedRadosgw());
    const { target, first, second, publish } = await bed(async () => openTarget(config));
    await publish(ALIAS, first);
    await publish(ALIAS, second);
    expect((await look(`${HEADS_FOLDER}/${ALIAS}`)).content).toBe(`${second}\n`);
    expect((await look(`${HEADS_FOLDER}/${MAIN}`)).content).toBe(`${first}\n`);
    const links = await target.readWithLinks([`${HEADS_FOLDER}/${MAIN}`], HEADS_FOLDER, testTask(temporaryFolder()));
    expect(links).toEqual({ contents: [Buffer.from(`${first}\n`)], links: new Map() });
  },
);

it('whatever links there are, following them ends, and ends at a ref or nowhere', () => {
  const part = fc.constantFrom('a', 'b', 'c', '..', '.');
  const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const name = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
  fc.assert(
    fc.property(name, fc.array(fc.tuple(name, fc.oneof(path, fc.constant('/etc')))), (ref, pairs) => {
      const links = new Map(pairs.map(([from, to]) => [`${HEADS_FOLDER}/${from}`, to]));
      const behind = refBehind(ref, links);
      if (behind !== undefined) {
        expect(isRef(behind)).toBe(true);
        // There is no link left on the way to it.
        expect(refBehind(behind, links)).toBe(behind);
        if (behind !== ref) expect(aliasesOf(behind, [ref], links)).toEqual([ref]);
      }
      for (let folder = ref; behind === ref && folder !== '.'; folder = dirname(folder))
        expect(links.has(`${HEADS_FOLDER}/${folder}`)).toBe(false);
    }),
    { numRuns: 2000 },
  );
});
