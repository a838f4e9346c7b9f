import { expect, test } from 'vitest';
import { NightlyError } from '../../src/base/errors.ts';
import { continueHint } from '../../src/build/continue-hint.ts';
import { withHelpfulHint } from '../../src/cli/helpful-hint.ts';
import { fullMeta } from '../support/build-meta.ts';
import { repositoryFiles, repositoryText } from '../support/repository.ts';

/** Every hint of the program that recommends "resume" without a build; two name both ways themselves. */
async function resumeHints(): Promise<string[]> {
  const files = (await repositoryFiles(['src'])).filter((path) => /^src\/(?!cli\/).*\.ts$/.test(path));
  const texts = await Promise.all(files.map((path) => repositoryText(path)));
  const hints = texts.flatMap(
    (text) => text.match(/(?<=['`])[^'`\n]*\brun "atomic-nightly resume"[^'`\n]*(?=['`])/gi) ?? [],
  );
  return [...new Set(hints)];
}

test('no command without a build recommends "resume": the same command is what helps', async () => {
  const hints = await resumeHints();
  expect(hints.length).toBeGreaterThan(10);
  for (const hint of hints) {
    const shown = withHelpfulHint(new NightlyError('target-unreachable', 'No.', { hint }), { dryRun: false });
    expect(shown.hint).toMatch(/run the command again/i);
    expect(shown.hint).not.toContain('resume');
  }
});

test('for a build "resume" is recommended with its id; everything else about the error stays', () => {
  const error = new NightlyError('disk-full', 'Full.', {
    hint: 'Free space, then run "atomic-nightly resume".',
    log: 'x',
  });
  error.build = { id: '20261130_01', stream: 'nightly' };
  error.step = 'compose';
  const shown = withHelpfulHint(error, { dryRun: false });
  expect(shown.hint).toBe('Free space, then run "atomic-nightly resume 20261130_01".');
  expect(shown).toMatchObject({
    code: 'disk-full',
    message: 'Full.',
    log: 'x',
    step: 'compose',
    build: { id: '20261130_01' },
  });
});

test('Ctrl-C in a dry run recommends nothing, and elsewhere the command itself', () => {
  const error = new NightlyError('interrupted', 'Interrupted.', { hint: 'Run "atomic-nightly resume" to continue.' });
  expect(withHelpfulHint(error, { dryRun: true }).hint).toBeUndefined();
  expect(withHelpfulHint(error, { dryRun: false }).hint).toBe('Run the command again.');
});

test('what is recommended for a build that is not complete is what its state allows', () => {
  const { retracted: _, promotion: __, failures: ___, ...meta } = fullMeta('20261130_01');
  const failure = { step: 'resolve', message: 'No.' };
  expect(continueHint({ ...meta, state: 'interrupted' })).toBe('"atomic-nightly resume 20261130_01" continues it.');
  expect(continueHint({ ...meta, state: 'failed', failures: [{ ...failure, code: 'target-unreachable' }] })).toContain(
    'resume',
  );
  const forGood = continueHint({ ...meta, state: 'failed', failures: [{ ...failure, code: 'depsolve' }] });
  expect(forGood).toContain('"atomic-nightly nightly nightly" makes a new build');
  expect(forGood).not.toContain('resume');
  expect(continueHint({ ...meta, state: 'unchanged' })).not.toContain('resume');
  expect(continueHint({ ...meta, state: 'running' })).toContain('"atomic-nightly log 20261130_01 --follow"');
});
