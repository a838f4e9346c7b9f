import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { type FilePurpose, makeSecretFile, readSecretText } from '../../base/secret-file.ts';
import { type Address, listen as listenSchema } from '../../config/service.ts';
import {
  formatPrivateKey,
  formatVkey,
  isKeyName,
  type NoteKey,
  noteSigner,
  parsePrivateKey,
  parseVkey,
} from '../../log/note-keys.ts';
import { serveHttp } from '../../service/http/http-server.ts';
import { takeWitnessLock } from '../../service/service-lock.ts';
import { serviceLog } from '../../service/service-log.ts';
import { notifier } from '../../service/service-notices.ts';
import { witnessApp } from '../../service/witness/witness-app.ts';
import { startWitness } from '../../witness/cosign-request.ts';
import { makeWitnessState, openWitnessState, requireWitnessState } from '../../witness/witness-state.ts';
import type { RunContext } from '../context.ts';
import { defineCommand, usageError } from '../define.ts';
import { text, words } from '../inputs.ts';
import type { Printer } from '../print.ts';

const KEY_FILE: FilePurpose = {
  what: 'private key of the witness',
  code: 'config',
  missing: 'Name its file with --key, or make a witness with --new-key NAME.',
  exposed: 'make a new witness with --new-key, and have the logs use that one',
};

interface Options {
  readonly key: string;
  readonly state: string;
  readonly listen: string;
  readonly log: readonly string[];
}

export const witness = defineCommand({
  name: 'witness',
  section: 'Service',
  summary: 'cosign the release logs of others, so that none of them can change unseen: docs/witness.md',
  options: {
    key: text('FILE', 'private key, readable by its owner only', { required: true, completes: 'file' }),
    state: text('FOLDER', 'what was cosigned; belongs to the key', { required: true, completes: 'folder' }),
    listen: text('HOST:PORT', 'where it answers', { default: '127.0.0.1:8098' }),
    log: words('VKEY', 'public keys of the logs that it cosigns'),
    newKey: text('NAME', 'make key and state of a witness of that name, and print its public key'),
  },
  notes: 'It runs until SIGTERM, needs no configuration, and should run on a machine that the logs are not on.',
  examples: [
    'atomic-nightly witness --new-key witness.example.org/w1 --key witness.key --state /var/lib/witness',
    'atomic-nightly witness --key witness.key --state /var/lib/witness --log lab.example/log+8940af4f+AQOh…',
  ],
  interruptible: true,
  async run({ newKey, ...options }, context) {
    if (newKey !== undefined) return makeWitness(newKey, options, context.print);
    return serveWitness(options, context);
  },
});

async function makeWitness(name: string, { key, state }: Options, print: Printer): Promise<number> {
  if (!isKeyName(name)) throw usageError('witness', `"${name}" cannot name a key: it has a blank or a "+".`);
  const seed = randomBytes(32);
  const signer = noteSigner(name, 'cosignature', seed);
  if (!(await makeSecretFile(key, formatPrivateKey(name, seed, 'cosignature'))))
    throw usageError('witness', `The file ${key} is there already: a new witness needs a key file of its own.`);
  try {
    await makeWitnessState(state, signer);
  } catch (error) {
    // A key without state is that of no witness, and would stand in the way of the next try.
    await rm(key);
    throw error;
  }
  print(formatVkey(signer));
  return 0;
}

async function serveWitness(
  { key, state: folder, listen, log: vkeys }: Options,
  { logFormat, print, signal }: RunContext,
): Promise<number> {
  const address = addressOf(listen);
  const logs = logsOf(vkeys);
  const signer = parsePrivateKey(await readSecretText(key, KEY_FILE), { file: key }, 'cosignature');
  const log = serviceLog(logFormat, process.stderr);
  // The lock is in the folder, which is not made for it: a witness does not begin anew by itself.
  await requireWitnessState(folder, signer);
  const free = await takeWitnessLock(folder);
  try {
    const state = await openWitnessState(folder, signer, ({ message, place }) =>
      log(`error: ${place?.file ?? folder}: ${message}`),
    );
    const [first, ...others] = logs.keys();
    // Where nothing is left to cosign, there is no witness.
    if (first !== undefined && others.length === 0) state.last(first);
    const cosigning = startWitness(signer, logs, state);
    const about = `${[formatVkey(signer), ...[...logs.keys()].map((origin) => `cosigns ${origin}`)].join('\n')}\n`;
    const server = await serveHttp(witnessApp(cosigning, about, log), address, '--listen');
    print(`listening on ${server.url} as ${signer.name}`);
    const systemd = notifier();
    await systemd.tell('READY=1', `STATUS=listening on ${server.url}`);
    if (!signal.aborted) await new Promise((settle) => signal.addEventListener('abort', settle, { once: true }));
    await server.stop();
    await cosigning.settled();
  } finally {
    await free();
  }
  return 0;
}

function addressOf(text: string): Address {
  const parsed = listenSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw usageError('witness', `--listen ${text}: ${parsed.error.issues.map(({ message }) => message).join('; ')}.`);
}

function logsOf(vkeys: readonly string[]): Map<string, NoteKey[]> {
  if (vkeys.length === 0) throw usageError('witness', 'Name the logs that it cosigns with --log VKEY.');
  const logs = new Map<string, NoteKey[]>();
  for (const vkey of vkeys) {
    const key = parseVkey(vkey, { file: '--log' });
    if (key.type !== 'ed25519') throw usageError('witness', `--log ${vkey} is the key of a witness, not of a log.`);
    logs.set(key.name, [...(logs.get(key.name) ?? []), key]);
  }
  return logs;
}
