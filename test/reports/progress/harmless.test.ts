import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { harmlessJson } from '../../../src/base/one-line.ts';
import { shownText } from '../../../src/base/output.ts';
import { refuseControlCharacters } from '../../../src/cli/typed.ts';
import { jsonLog } from '../../../src/reports/progress/json-lines.ts';
import { describeEvent } from '../../../src/reports/progress/progress-lines.ts';

const HOSTILE = 'a\u001b]0;owned\u0007\u001b[2Jb\r\nforged: ok\u202egpj\u2028\u009bx';
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const RAW = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

describe('what others wrote is harmless', () => {
  it('has no control characters on a terminal and in a line of a log', () => {
    expect(shownText(HOSTILE)).not.toMatch(RAW);
    expect(shownText('a\n\tb')).toBe('a\n\tb');
    const line = describeEvent({ type: 'step-line', step: 'compose', line: HOSTILE });
    expect(line).not.toMatch(RAW);
    expect(line).not.toContain('\n');
  });

  it('as JSON, which still says the same', () => {
    const json = JSON.stringify({ by: HOSTILE, emoji: '\u{1f600}\u{e0001}' }, null, 2);
    expect(harmlessJson(json)).not.toMatch(RAW);
    expect(JSON.parse(harmlessJson(json))).toEqual(JSON.parse(json));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what is not ASCII is looked for.
    expect(harmlessJson(json, false)).not.toMatch(/[^\u0000-\u007f]/);
    expect(JSON.parse(harmlessJson(json, false))).toEqual(JSON.parse(json));
    const lines: string[] = [];
    const log = jsonLog({ write: (line: string) => lines.push(line) > 0 } as never, { build: null, stream: null });
    log.note(HOSTILE);
    expect(lines.join('').trimEnd()).not.toMatch(RAW);
    expect(JSON.parse(lines.join('')).line).toBe(HOSTILE);
  });

  it('where somebody types it: it is refused', () => {
    expect(() => refuseControlCharacters({ by: 'Ann\u001b[1m' })).toThrow(/--by has a line break or another control/);
    expect(() => refuseControlCharacters({ by: 'Ann\u202e' })).toThrow();
    expect(() => refuseControlCharacters({ by: 'Ännchen Groß', note: undefined })).not.toThrow();
  });

  it('in a locale without UTF-8 as ASCII', () => {
    expect(shownText('  ✓ done …', { LC_ALL: 'C' })).toBe('  ok done ...');
    expect(shownText('✓', { LANG: 'de_DE.UTF-8' })).toBe('✓');
    expect(shownText('✓é', { LANG: 'C.UTF-8', LC_ALL: 'POSIX' })).toBe('ok?');
  });
});

describe('whoever reads the output may go away', () => {
  const script = `
    import { outliveReaders } from './src/base/output.ts';
    outliveReaders();
    for (let at = 0; at < 2000; at += 1) process.stdout.write('x'.repeat(200) + '\\n');
    await new Promise((settle) => setTimeout(settle, 50));
    process.stdout.write('more\\n');
    process.exitCode = 7;
  `;
  it('and the program ends as it would have', () => {
    const child = ['node', '--import', 'tsx', '--input-type=module', '-e', script];
    const quoted = child.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    const { stdout, stderr, status } = spawnSync('bash', ['-c', `${quoted} | head -1; exit \${PIPESTATUS[0]}`], {
      encoding: 'utf8',
    });
    expect({ stdout: stdout.length, stderr, status }).toEqual({ stdout: 201, stderr: '', status: 7 });
  });

  it('K17: a log on a full disk ends no run; output that found no room is a failure, in a sentence', () => {
    const started = (where: string, code: number) => {
      const text = `
        import { outliveReaders } from './src/base/output.ts';
        outliveReaders();
        for (const stream of [process.stdout, process.stderr]) stream.write('line\\n');
        await new Promise((settle) => setTimeout(settle, 50));
        process.exitCode = ${code};
      `;
      const line = `"${process.execPath}" --import tsx --input-type=module -e "${text.replaceAll('$', '\\$')}" ${where}`;
      const { stdout, stderr, status } = spawnSync('bash', ['-c', line], { encoding: 'utf8' });
      return { stdout, stderr, status };
    };
    expect(started('2> /dev/full', 0)).toEqual({ stdout: 'line\n', stderr: '', status: 0 });
    const lost = {
      stdout: '',
      stderr: expect.stringMatching(/^line\nerror: Not all of the output could be written: ENOSPC/),
    };
    expect(started('> /dev/full', 0)).toEqual({ ...lost, status: 1 });
    expect(started('> /dev/full', 12)).toEqual({ ...lost, status: 12 });
    expect(started('2>&-', 7)).toEqual({ stdout: 'line\n', stderr: '', status: 7 });
    expect(started('>&-', 7)).toEqual({ stdout: '', stderr: 'line\n', status: 7 });
    expect(started('> >(exit 0) 2>&1', 7)).toMatchObject({ status: 7 });
  });
});
