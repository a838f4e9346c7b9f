import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { quietTask } from '../../base/task.ts';
import type { PassphraseSource } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { type ConfiguredKey, configuredKeys, lookAtKey, placeOf } from '../../signing/inventory.ts';
import { dayOf, daysLeft, expiryWarning, type KeyInfo } from '../../signing/key-info.ts';
import { type KeyAlgorithm, makeKey } from '../../signing/make-key.ts';
import { readPassphrase } from '../../signing/passphrase.ts';
import { type Printer, printJson } from '../print.ts';

export interface KeysGenerateOptions {
  readonly name: string;
  readonly email: string;
  readonly algorithm: KeyAlgorithm;
  /** Days, weeks or years, as in `3y`; or `never`. */
  readonly expires: string;
  readonly passphrase: PassphraseSource;
  readonly out: string;
  readonly signal: AbortSignal;
}

/**
 * `atomic-nightly keys generate`: a new signing key in files that must not be there yet. Gives the exit code.
 * @throws NightlyError `usage`, `signing`.
 */
export async function runKeysGenerate(options: KeysGenerateOptions, print: Printer): Promise<number> {
  const { name, email, algorithm } = options;
  if (!/^[^\s@<>]+@[^\s@<>]+$/.test(email)) throw usage(`"${email}" is not an e-mail address.`);
  if (name.trim() === '' || /[<>\n]/.test(name)) throw usage(`"${name}" cannot be the name in a key.`);
  const days = daysOf(options.expires);
  const files = outputFiles(resolve(options.out));
  const there = Object.values(files).find((file) => existsSync(file));
  if (there !== undefined) {
    throw new NightlyError('usage', `${there} is there already, and a key is never overwritten.`, {
      hint: 'Name another folder with --out; during a rotation both keys are needed.',
    });
  }
  const passphrase = await readPassphrase(options.passphrase);
  if (passphrase === '' || passphrase.includes('\n')) throw usage('The passphrase is empty, or more than one line.');
  const lasting = days === undefined ? {} : { days };
  const key = await makeKey({ name, email, algorithm, ...lasting, passphrase }, quietTask(undefined, options.signal));
  await mkdir(resolve(options.out), { recursive: true, mode: 0o700 });
  await writeFile(files.privateKey, key.privateKey, { mode: 0o600, flag: 'wx' });
  await writeFile(files.revocation, key.revocation, { mode: 0o600, flag: 'wx' });
  await writeFile(files.armored, key.armored, { mode: 0o644, flag: 'wx' });
  await writeFile(files.binary, key.binary, { mode: 0o644, flag: 'wx' });
  print(`Key ${key.fingerprint}`);
  print(`  private, encrypted: ${files.privateKey}`);
  print(`  public:             ${files.armored} (text), ${files.binary} (binary)`);
  print(`  revocation:         ${files.revocation}: keep it elsewhere, for the day the key is lost or stolen`);
  print(`In a stream of the configuration:\n  signing: {type: openpgp, key-file: ${files.privateKey}, …}`);
  return 0;
}

function outputFiles(folder: string) {
  const file = (end: string): string => join(folder, `signing.${end}`);
  return { privateKey: file('key'), armored: file('asc'), binary: file('gpg'), revocation: file('rev') };
}

/** Undefined for `never`. */
function daysOf(text: string): number | undefined {
  if (text === 'never') return undefined;
  const [, count, unit] = /^([1-9]\d{0,3})([dwy])$/.exec(text) ?? [];
  if (count === undefined) throw usage(`"${text}" must be a whole number with d, w or y, as in 3y, or never.`);
  return Number(count) * ({ d: 1, w: 7, y: 365 }[unit ?? ''] ?? 1);
}

function usage(message: string): NightlyError {
  return new NightlyError('usage', message, { hint: 'See "atomic-nightly keys generate --help".' });
}

/**
 * `atomic-nightly keys show`: the keys that streams sign with, how long they last and who uses them.
 * @returns the exit code: 0 when each can sign, 1 otherwise.
 */
export async function runKeysShow(
  options: { readonly config: string; readonly json: boolean; readonly signal: AbortSignal },
  print: Printer,
): Promise<number> {
  const keys = configuredKeys(await loadConfig(options.config));
  const task = quietTask(undefined, options.signal);
  const seen = await Promise.all(keys.map(async (key) => ({ key, found: await lookAtKey(key.config, task) })));
  if (options.json) printJson(seen.map(keyJson), print);
  else if (seen.length === 0) print('No stream signs.');
  else for (const one of seen) print(keyLines(one).join('\n'));
  return seen.every(({ found }) => !(found instanceof NightlyError) && found.problem === undefined) ? 0 : 1;
}

interface SeenKey {
  readonly key: ConfiguredKey;
  readonly found: KeyInfo | NightlyError;
}

function keyJson({ key: { config, streams, targets }, found }: SeenKey) {
  const users = { type: config.type, place: placeOf(config), streams, targets };
  if (found instanceof NightlyError) return { ...users, problem: found.message };
  const warning = expiryWarning(found);
  return {
    ...found,
    daysLeft: daysLeft(found),
    ...users,
    ...(warning === undefined || found.problem !== undefined ? {} : { warning }),
  };
}

function keyLines({ key: { config, streams, targets }, found }: SeenKey): string[] {
  const users = [
    `  from:     ${config.type}, ${placeOf(config)}`,
    `  streams:  ${streams.join(', ')}`,
    `  targets:  ${targets.join(', ')}`,
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
