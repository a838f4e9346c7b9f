import { isBuildId } from '../build/build-id.ts';
import type { Entry } from './define.ts';

/**
 * Returns a command line with `~1` for `-1`, which the parser takes for an option where a command has others below it, as "log" has.
 * The value of an option is left alone.
 */
export function withoutMinus(words: readonly string[]): string[] {
  return words.map((word, index) =>
    /^-[1-9]\d*$/.test(word) && !words[index - 1]?.startsWith('--') ? `~${word.slice(1)}` : word,
  );
}

type Given = Readonly<Record<string, unknown>>;

/**
 * Returns a command's values with the id of each build that is asked for by a name (resolveBuildName) in its place, and says on standard
 * error which build that is: a script that meant another one finds out from its log.
 * @param config path of the configuration, read only where a name is given
 */
export async function withBuildIds({ arguments: all }: Entry, values: Given, config: string): Promise<Given> {
  const named = Object.entries(all).flatMap(([key, { completes }]) => {
    const name = values[key];
    return completes === 'build' && typeof name === 'string' && !isBuildId(name) ? [{ key, name }] : [];
  });
  if (named.length === 0) return values;
  // Only now: every command comes by here, and "--help" is to be quick.
  const [{ loadConfig }, { resolveBuildName }] = await Promise.all([
    import('../config/load.ts'),
    import('../build/build-name.ts'),
  ]);
  const ids: Record<string, string> = {};
  for (const { key, name } of named) {
    const id = await resolveBuildName((await loadConfig(config)).work, name);
    if (id !== name) process.stderr.write(`${name.replace('~', '-')} is build ${id}\n`);
    ids[key] = id;
  }
  return { ...values, ...ids };
}
