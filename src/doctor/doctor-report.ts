import { type Tone, toned } from '../base/tone.ts';
import type { CheckResult } from './doctor-check.ts';

const TONES: Readonly<Record<CheckResult['state'], Tone>> = { ok: 'good', missing: 'bad', note: 'warn' };

/** Returns the results as lines for people, with the command that installs what is missing at the end. */
export function reportLines(results: readonly CheckResult[]): string[] {
  const width = Math.max(...results.map(({ name }) => name.length));
  const lines = results.map(
    ({ name, state, detail }) =>
      `${toned(TONES[state], state)}${' '.repeat(8 - state.length)} ${name.padEnd(width)}  ${detail.replaceAll('\n', `\n${' '.repeat(9)}`)}`,
  );
  const missing = results.filter(({ state }) => state === 'missing');
  if (missing.length === 0) return [...lines, '', 'Everything needed is there.'];
  const { debian, fedora } = installCommands(results);
  return [
    ...lines,
    '',
    missing.length === 1 ? 'One thing needed is missing.' : `${missing.length} things needed are missing.`,
    ...(debian === undefined ? [] : [`  on Debian:  ${debian}`]),
    ...(fedora === undefined ? [] : [`  on Fedora:  ${fedora}`]),
  ];
}

/** Returns the commands that install what is missing, where packages can help. */
export function installCommands(results: readonly CheckResult[]): { debian?: string; fedora?: string } {
  const packages = (of: 'debian' | 'fedora') =>
    [...new Set(results.flatMap(({ state, install }) => (state === 'missing' ? (install?.[of] ?? '') : '')))]
      .filter((name) => name !== '')
      .toSorted((a, b) => (a < b ? -1 : 1))
      .join(' ');
  const [debian, fedora] = [packages('debian'), packages('fedora')];
  return {
    ...(debian === '' ? {} : { debian: `apt-get install --no-install-recommends ${debian}` }),
    ...(fedora === '' ? {} : { fedora: `dnf install ${fedora}` }),
  };
}
