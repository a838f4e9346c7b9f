import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { inParallel } from '../../src/base/parallel.ts';
import { run } from '../../src/programs/exec.ts';
import { everyCase } from '../support/every-case.ts';
import { mutantsOf } from '../support/script-mutants.ts';
import { sharedFolder } from '../support/tmp.ts';
import {
  isAsExpected,
  runScript,
  SCRIPT,
  SHELLS,
  survivors,
  type VerifyCase,
  verifyCases,
} from '../support/verify-script.ts';

/** Of so many changed scripts one is tried here, and all of them in test/e2e/verify-mutants.test.ts. */
const ONE_OF = 120;

/** Thousands of programs are started: on a crowded machine that takes minutes. */
const LONG = { timeout: 900_000 };

describe('the verifier for users', LONG, () => {
  const dir = sharedFolder();
  let cases: readonly VerifyCase[];
  beforeAll(async () => {
    cases = await verifyCases(dir);
  });

  it.each(Object.entries(SHELLS).filter(([name]) => everyCase || name === 'dash'))(
    'accepts and refuses the same in %s',
    async (name, shell) => {
      const wrong: unknown[] = [];
      expect(cases.length).toBeGreaterThan(200);
      await inParallel(cases, { atATime: 2 }, async (one) => {
        const ended = await runScript(shell, SCRIPT, one.args, dir, one.env);
        if (!isAsExpected(ended, one)) wrong.push({ shell: name, ...one, ...ended });
      });
      expect(wrong).toEqual([]);
    },
  );

  it('needs no program but those that it names: a small host has no more', async () => {
    const [, named = ''] =
      /^# Needs openssl 3 .*of coreutils or busybox, (.*)\.$/m.exec(readFileSync(SCRIPT, 'utf8')) ?? [];
    // Of diffutils, which a small host may lack.
    expect(named.split(' ')).not.toContain('cmp');
    const bin = join(dir, 'named');
    mkdirSync(bin);
    const find = `for name in openssl ${named}; do ln -s "$(command -v "$name")" '${bin}/'; done`;
    await run('sh', ['-c', find]);
    const [sh = ''] = (await run('sh', ['-c', 'command -v dash'])).stdout.split('\n');
    const accepted = cases.filter(({ code }) => code === 0).slice(0, 3);
    for (const { args } of accepted)
      expect(await runScript([sh], SCRIPT, args, dir, { PATH: bin })).toMatchObject({
        code: 0,
        said: expect.stringMatching(/^ok: /),
      });
  });

  it('another locale changes nothing', async () => {
    const [first, second] = cases;
    for (const one of [first, second]) {
      const ended = one && (await runScript(['bash'], SCRIPT, one.args, dir, { LC_ALL: 'C.UTF-8' }));
      expect(ended?.code).toBe(0);
    }
  });

  it('a script with a line less, or another one, is found', async () => {
    const script = readFileSync(SCRIPT, 'utf8');
    const sample = mutantsOf(script).filter((_, index) => index % ONE_OF === ONE_OF - 1);
    expect(sample.length).toBeGreaterThan(2);
    expect(await survivors(sample, cases, dir)).toEqual([]);
    // The measure itself: what changes nothing survives.
    expect(await survivors([{ line: 1, was: '', now: '#!/bin/sh', text: script }], cases.slice(0, 5), dir)).toEqual([
      '1: #!/bin/sh',
    ]);
  });
});
