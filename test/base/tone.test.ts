import { expect, test } from 'vitest';
import { coloured, isColoured, seenLength, toned, useTones } from '../../src/base/tone.ts';

test.each<[boolean | undefined, Parameters<typeof isColoured>[1], NodeJS.ProcessEnv, boolean]>([
  [true, 'auto', { TERM: 'xterm' }, true],
  [undefined, 'auto', { TERM: 'xterm' }, false],
  [true, 'auto', { TERM: 'dumb' }, false],
  [true, 'auto', { NO_COLOR: '1' }, false],
  [true, 'auto', { NO_COLOR: '' }, true],
  [undefined, 'auto', { FORCE_COLOR: '1' }, true],
  [true, 'auto', { FORCE_COLOR: '0' }, false],
  [undefined, 'auto', { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
  [undefined, 'always', { NO_COLOR: '1', TERM: 'dumb' }, true],
  [true, 'never', { FORCE_COLOR: '1' }, false],
])('on a terminal: %s, --color %s, %j: colours %s', (isTTY, mode, env, expected) => {
  expect(isColoured(isTTY === undefined ? {} : { isTTY }, mode, env)).toBe(expected);
});

test('text has its tone where colours are, none where they are not; other texts cannot have any (I12)', () => {
  const same = (part: string) => part;
  expect(toned('good', 'complete')).toBe('complete');
  const terminal = {};
  useTones(terminal);
  const text = `a ${toned('bad', 'failed')} b`;
  expect(seenLength(text)).toBe('a failed b'.length);
  expect(coloured(text, terminal, same)).toBe('a \x1b[31mfailed\x1b[0m b');
  expect(coloured(text, {}, same)).toBe('a failed b');
  const foreign = '\u{e000}bad;red\u{e000}end \x1b[31m';
  expect(coloured(foreign, terminal, (part) => part.replaceAll('\x1b', ' '))).toBe('\u{e000}bad;red\u{e000}end  [31m');
});
