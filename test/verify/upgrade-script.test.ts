import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noteSigner } from '../../src/log/note-keys.ts';
import { gpgStopAgent } from '../../src/programs/gpg.ts';
import { everyCase } from '../support/every-case.ts';
import { LOG } from '../support/log-files.ts';
import { serveFolder } from '../support/nginx.ts';
import { TEST_REF } from '../support/ostree-repo.ts';
import { makeKey } from '../support/signing-key.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';
import { type UpgradeBed, upgradeBed } from '../support/upgrade-host.ts';
import { SHELLS } from '../support/verify-script.ts';

/** Each test goes on where the one before it ended: a host lives on. */
describe.each(Object.entries(SHELLS).filter(([name]) => everyCase || name === 'dash'))(
  'a host, with %s',
  (_, shell) => {
    const dir = sharedFolder();
    const far = join(dir, 'far');
    let bed: UpgradeBed;
    let end: () => Promise<void>;
    beforeAll(async () => {
      mkdirSync(far);
      const [key, { url, stop }] = [await makeKey(dir), await serveFolder({ root: far })];
      end = async () => {
        await stop();
        await gpgStopAgent(key.home, testTask(dir));
      };
      bed = await upgradeBed(dir, { url, far, key, shell });
    });
    afterAll(() => end());

    /** Refused in one line, and the host is as it was. */
    const refused = async (says: RegExp): Promise<void> => {
      const before = [await bed.deployed(), await bed.refNames(), seen()];
      const { code, said } = await bed.upgrade();
      expect([code, said]).toEqual([1, expect.stringMatching(says)]);
      expect(said).toMatch(/^refused: [^\n]*; nothing was deployed\n$/);
      expect([await bed.deployed(), await bed.refNames(), seen()]).toEqual(before);
    };
    const seen = (): string | undefined =>
      existsSync(join(bed.state, 'checkpoint')) ? readFileSync(join(bed.state, 'checkpoint'), 'utf8') : undefined;
    const goesThrough = async (commit: string): Promise<void> => {
      const { code, said } = await bed.upgrade();
      expect([code, said]).toEqual([0, expect.stringMatching(`ok: commit ${commit} of ${TEST_REF} is entry`)]);
      expect((await bed.deployed())[0]).toBe(commit);
      expect(seen()).toMatch(new RegExp(`^${LOG.name}\n${bed.entries.length}\n`));
    };

    it('is upgraded to a commit that is in the log, and remembers the log', async () => {
      const second = await bed.publish('2');
      bed.logOthers(2);
      await bed.logCommit(second);
      await goesThrough(second);
      // Nothing new.
      expect(await bed.upgrade()).toMatchObject({ code: 0 });
      expect((await bed.deployed())[0]).toBe(second);
    });

    it('refuses a validly signed commit that is not in the log, and takes it once it is', async () => {
      const third = await bed.publish('3');
      await refused(
        new RegExp(`^refused: commit ${third} of ${TEST_REF} is not in the release log http.*though it may be signed`),
      );
      // What is new in the log is many others' entries: more than one tile.
      bed.logOthers(600);
      await bed.logCommit(third);
      bed.logOthers(7);
      bed.serve();
      await goesThrough(third);
    });

    it('refuses a log that was rolled back, whatever the commit', async () => {
      const { entries } = bed;
      const fourth = await bed.publish('4');
      bed.entries = entries.slice(0, 300);
      bed.serve();
      await refused(
        /^refused: the release log \S+ has been rolled back: this host saw 615 entries, and it has 300 now;/,
      );
      await bed.logCommit(fourth);
      await refused(/ has been rolled back: this host saw 615 entries, and it has 301 now;/);
      // As long as before, and longer, with another history.
      bed.logOthers(314, 'rewritten');
      bed.serve();
      await refused(/ is not the one that this host saw: it no longer begins with the same 615 entries;/);
      bed.logOthers(100, 'rewritten');
      bed.serve();
      await refused(/ is not the one that this host saw: it no longer begins with the same 615 entries;/);
      bed.entries = entries;
      await bed.logCommit(fourth);
      await goesThrough(fourth);
    });

    it('refuses a log of another key, one that does not hold together, and the proof of another commit', async () => {
      const fifth = await bed.publish('5');
      await bed.logCommit(fifth);
      bed.serve(noteSigner(LOG.name, 'ed25519', Buffer.alloc(32, 7)));
      await refused(/not signed by the log that is trusted/);
      bed.serve();
      const tile = join(far, 'log/tile/1/000.p/2');
      const whole = readFileSync(tile);
      writeFileSync(tile, Buffer.concat([Buffer.alloc(32), whole.subarray(32)]));
      await refused(/ does not hold together: its tiles do not lead to its root;/);
      writeFileSync(tile, whole);
      const proofs = join(far, 'log/proofs/refs', TEST_REF);
      const good = readFileSync(join(proofs, `${fifth}.tlog-proof`));
      writeFileSync(
        join(proofs, `${fifth}.tlog-proof`),
        readFileSync(join(proofs, `${(await bed.deployed())[0]}.tlog-proof`)),
      );
      await refused(/the entry is about another commit/);
      writeFileSync(join(proofs, `${fifth}.tlog-proof`), good);
      await goesThrough(fifth);
    });

    it('has rpm-ostree deploy the very commit where that is installed', async () => {
      const sixth = await bed.publish('6');
      await bed.logCommit(sixth);
      const bin = join(dir, 'bin');
      mkdirSync(bin);
      writeFileSync(join(bin, 'rpm-ostree'), '#!/bin/sh\necho "rpm-ostree $*"\n', { mode: 0o755 });
      const { code, said } = await bed.upgrade(['--reboot'], { PATH: `${bin}:${process.env['PATH']}` });
      expect([code, said]).toEqual([0, expect.stringMatching(`\nrpm-ostree deploy --reboot ${sixth}\n$`)]);
    });

    it('says how it is called', async () => {
      expect(await bed.upgrade([], { OSTREE_SYSROOT: '/nowhere' })).toMatchObject({
        code: 1,
        said: expect.stringContaining('there is no remote origin'),
      });
    });
  },
);
