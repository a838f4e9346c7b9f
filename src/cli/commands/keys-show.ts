import { NightlyError } from '../../base/errors.ts';
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
    else for (const one of seen) print(keyLines(one).join('\n'));
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

function keyLines({ key: { config, streams, targets, content, log }, found }: SeenKey): string[] {
  const users = [
    `  from:     ${config.type}, ${placeOf(config)}`,
    ...(streams.length > 0 ? [`  streams:  ${streams.join(', ')}`, `  targets:  ${targets.join(', ')}`] : []),
    ...(content.length > 0 ? [`  content:  ${content.join(', ')}`] : []),
    ...(log ? ['  log:      signs its checkpoints'] : []),
  ];
  if (found instanceof NightlyError) {
    return [`not ok  ${placeOf(config)}: ${found.message}`, ...users, `  what to do: ${found.hint ?? ''}`];
  }
  const { fingerprint, algorithm, userId, made, expires, problem } = found;
  const left = problem === undefined && expires !== undefined ? `, ${daysLeft(found)} days left` : '';
  const warning = expiryWarning(found);
  return [
    `${problem === undefined ? (warning === undefined ? 'ok     ' : 'warning') : 'not ok '} ${fingerprint}`,
    `  user id:  ${userId}`,
    `  kind:     ${algorithm}, made ${dayOf(made)}, ${expires ? `expires ${dayOf(expires)}${left}` : 'never expires'}`,
    ...users,
    ...(problem === undefined ? [] : [`  It ${problem}, so nothing is built until the streams name another key.`]),
    ...(warning === undefined || problem !== undefined ? [] : ['  Begin a rotation: docs/signing.md.']),
  ];
}
