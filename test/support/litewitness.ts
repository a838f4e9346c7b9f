import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../src/base/free-port.ts';
import { formatVkey, type NoteKey, noteKey } from '../../src/log/note-keys.ts';
import { type RunningProcess, run, start } from '../../src/programs/exec.ts';
import { oracle } from './oracles.ts';
import { until } from './until.ts';

const NAME = 'witness.example/lite';

/** torchwood's witness, at an address of its own whether it runs or not. */
export interface Litewitness {
  readonly url: string;
  readonly key: NoteKey;
  /** What witnessctl changes. */
  readonly database: string;
  /** Its public key, as policies have it. */
  readonly vkey: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Lets it cosign a log. */
  addLog(origin: string, vkey: string): Promise<void>;
  /** Ends it and the agent that has its key. */
  end(): Promise<void>;
}

/** Makes one that does not run yet. @param dir an empty folder, with a short path: the agent has a socket in it */
export async function makeLitewitness(dir: string): Promise<Litewitness> {
  const [keyFile, database, socket] = [join(dir, 'key'), join(dir, 'witness.db'), join(dir, 'agent')];
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', keyFile]);
  const agent = await start('ssh-agent', ['-D', '-a', socket]);
  await until(() => existsSync(socket));
  await run('ssh-add', ['-q', keyFile], { env: { SSH_AUTH_SOCK: socket } });
  const [, encoded = ''] = (await readFile(`${keyFile}.pub`, 'utf8')).split(' ');
  const key = noteKey(NAME, 'cosignature', Buffer.from(encoded, 'base64').subarray(-32));
  const fingerprint = (await run('ssh-keygen', ['-l', '-f', `${keyFile}.pub`])).stdout.split(' ')[1] ?? '';
  const listen = `127.0.0.1:${await freePort()}`;
  const url = `http://${listen}`;
  let running: RunningProcess | undefined;
  const stop = async (): Promise<void> => {
    await running?.stop();
    running = undefined;
  };
  return {
    ...{ url, key, database, vkey: formatVkey(key), stop },
    async start() {
      const args = ['-db', database, '-key', fingerprint, '-name', NAME, '-listen', listen, '-ssh-agent', socket];
      running = await start(oracle('litewitness'), args);
      await until(() =>
        fetch(url).then(
          ({ ok }) => ok,
          () => false,
        ),
      );
    },
    async addLog(origin, vkey) {
      const control = (...args: string[]) => run(oracle('witnessctl'), [...args, '-db', database, '-origin', origin]);
      await control('add-log');
      await control('add-key', '-key', vkey);
    },
    async end() {
      await stop();
      await agent.stop();
    },
  };
}
