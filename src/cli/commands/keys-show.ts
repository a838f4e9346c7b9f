import { NightlyError } from '../../base/errors.ts';
import { tableLines } from '../../base/table.ts';
import { quietTask } from '../../base/task.ts';
import { loadConfig } from '../../config/load.ts';
import { type ConfiguredKey, configuredKeys, inspectKey, placeOf } from '../../signing/inventory.ts';
import { dayOf, daysLeft, expiryWarning, type KeyInfo } from '../../signing/key-info.ts';
import { defineCommand } from '../define.ts';
import { flag } from '../inputs.ts';
import { printJson } from '../print.ts';

export const keysShow = defineCommand({
  name: 'keys show',
  summary: 'list keys with fingerprint, expiry, and the streams, targets and content that use them',
  options: { json: flag('for scripts') },
  exitCodes: { 0: 'every key can sign', 1: 'at least one cannot' },
  examples: ['atomic-nightly keys show --json | jq ".[].daysLeft"'],
  interruptible: true,
  async run({ json }, { config, signal, print }) {
    const keys = configuredKeys(await loadConfig(config));
    const task = quietTask(undefined, signal);
    const seen = await Promise.all(keys.map(async (key) => ({ key, found: await inspectKey(key.config, task) })));
    if (json) printJson(seen.map(keyJson), print);
    else if (seen.length === 0) print('Nothing is signed.');
    else for (const line of keyLines(seen)) print(line);
    return seen.every(({ found }) => !(found instanceof NightlyError) && found.problem === undefined) ? 0 : 1;
  },
});

interface SeenKey {
  readonly key: ConfiguredKey;
  readonly found: KeyInfo | NightlyError;
}

function keyJson({ key: { config, ...of }, found }: SeenKey) {
  const users = { type: config.type, place: placeOf(config), ...of };
  if (found instanceof NightlyError) return { ...users, problem: found.message };
  const warning = expiryWarning(found);
  return {
    ...found,
    daysLeft: daysLeft(found),
    ...users,
    ...(warning === undefined || found.problem !== undefined ? {} : { warning }),
  };
}

const HEADER = ['STATE', 'KEY', 'KIND', 'MADE', 'EXPIRES', 'USED BY', 'USER ID', 'FROM'];

/** A table of all keys, and below it what is to be done about some of them. */
function keyLines(keys: readonly SeenKey[]): string[] {
  return [...tableLines([HEADER, ...keys.map(keyRow)]), ...keys.flatMap(adviceLines)];
}

function keyRow({ key, found }: SeenKey): string[] {
  const from = `${key.config.type}, ${placeOf(key.config)}`;
  if (found instanceof NightlyError) return ['not ok', '', '', '', '', usersOf(key), '', from];
  const { fingerprint, algorithm, userId, made, expires, problem } = found;
  const left = problem === undefined ? `, ${daysLeft(found)} days left` : '';
  const state = problem === undefined ? (expiryWarning(found) === undefined ? 'ok' : 'warning') : 'not ok';
  const ends = expires ? `${dayOf(expires)}${left}` : 'never';
  return [state, fingerprint, algorithm, dayOf(made), ends, usersOf(key), userId, from];
}

function usersOf({ streams, targets, content, log }: ConfiguredKey): string {
  const listed = { streams, targets, content };
  const named = Object.entries(listed).filter(([, names]) => names.length > 0);
  return [...named.map(([kind, names]) => `${kind} ${names.join(', ')}`), ...(log ? ['checkpoints'] : [])].join('; ');
}

function adviceLines({ key, found }: SeenKey): string[] {
  if (found instanceof NightlyError)
    return [`not ok: ${placeOf(key.config)}: ${found.message}`, `  what to do: ${found.hint ?? ''}`];
  const { fingerprint, problem } = found;
  if (problem !== undefined)
    return [`not ok: ${fingerprint} ${problem}, so nothing is built until the streams name another key.`];
  const warning = expiryWarning(found);
  return warning === undefined ? [] : [`warning: ${warning}. Begin a rotation: docs/signing.md.`];
}
