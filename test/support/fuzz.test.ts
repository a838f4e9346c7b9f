import { describe, expect, it } from 'vitest';
import { NightlyError } from '../../src/base/errors.ts';
import { fuzz, fuzzAsync, mutatedBytes, mutatedJson, mutatedText } from './fuzz.ts';

const refuse = (): never => {
  throw new NightlyError('usage', 'this is none');
};

describe('fuzzing', () => {
  it('lets a parser accept or refuse', async () => {
    fuzz(mutatedText(['a=b']), (text) => (text.includes('=') ? text : refuse()));
    await fuzzAsync(mutatedBytes(['a=b']), async (bytes) => (bytes.length > 2 ? bytes : refuse()), { runs: 50 });
  });

  it('fails on a TypeError, a fault of the program itself and a loop without an end', async () => {
    const trusting = (value: unknown): string => (value as { a: string }).a.toUpperCase();
    expect(() => fuzz(mutatedJson([{ a: 'x' }]), trusting)).toThrow(/TypeError/);
    await expect(fuzzAsync(mutatedJson([{ a: 'x' }]), async (value) => trusting(value))).rejects.toThrow(/TypeError/);
    const bug = (): never => {
      throw new NightlyError('bug', 'impossible');
    };
    expect(() => fuzz(mutatedText(['x']), bug, { runs: 1 })).toThrow(/impossible/);
    const endless = (): void => {
      for (;;);
    };
    expect(() => fuzz(mutatedText(['x']), endless, { runs: 1, endlessMs: 50 })).toThrow(/without an end: /);
  });

  it('fails when something was accepted that must not be', () => {
    const check = (text: string): void => expect(text).not.toContain('..');
    expect(() => fuzz(mutatedText(['a/b']), (text) => text, { check })).toThrow(/AssertionError/);
  });
});
