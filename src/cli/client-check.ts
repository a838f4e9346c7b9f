import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { makeFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import type { BuildMeta } from '../build/build-record.ts';
import { run } from '../programs/exec.ts';
import { buildFolder, commitProofPath, proofPath, VERIFIER_PATH } from '../published/paths.ts';
import { fetchFile } from '../rpm/download.ts';
import type { Printer } from './print.ts';

/** What an anonymous client has of a build: where it is published, and the public key of its log from somewhere else. */
export interface ClientCheck {
  readonly url: string;
  readonly vkey: string;
  readonly meta: BuildMeta;
  /** Empty folder of the client. */
  readonly dir: string;
  /** Folder of the web server, in which a byte is changed. */
  readonly published: string;
  /** Audits the URL, printing what it finds; gives its exit code. */
  audit(): Promise<number>;
}

/**
 * Follows docs/verify-releases.md: fetches the script, an image and the proofs, and checks image and commit with sh
 * and openssl alone. Then one byte of the image is changed on the server, which both the script and the audit must name, and changed
 * back.
 * @throws NightlyError `gate-failed` when one of them says anything else.
 */
export async function clientCheck(check: ClientCheck, print: Printer, task: Task): Promise<void> {
  const { url, vkey, meta, dir, published, audit } = check;
  const { buildid, basearch, ref, ostreeCommit: commit = '' } = meta;
  const image = `${buildFolder(buildid, basearch)}/${Object.values(meta.images ?? {})[0]?.path}`;
  const name = basename(image);
  await makeFolder(dir);
  const fetch = (path: string, to: string) => fetchFile(`${url}/${path}`, join(dir, to), task);
  await fetch(VERIFIER_PATH, 'verify.sh');
  await fetch(image, name);
  await fetch(proofPath(image), `${name}.tlog-proof`);
  await fetch(commitProofPath(ref, commit), 'commit.tlog-proof');
  const sh = async (wanted: number, ...args: string[]): Promise<void> => {
    print(`$ sh verify.sh -k ${vkey.slice(0, 24)}… ${args.join(' ')}`);
    const command = ['verify.sh', '-k', vkey, ...args];
    const { exitCode, stdout, stderr } = await run('sh', command, { cwd: dir, task, okExitCodes: [0, 1] });
    print(`${stdout}${stderr}`.trim());
    if (exitCode !== wanted) throw unexpected(`verify.sh ended with exit code ${exitCode}, not ${wanted}`);
  };
  await sh(0, name, `${name}.tlog-proof`);
  await sh(0, '-r', ref, '-c', commit, 'commit.tlog-proof');

  const served = join(published, image);
  print(`One byte of ${image} is changed on the server.`);
  await turnByte(served);
  try {
    await fetch(image, name);
    await sh(1, name, `${name}.tlog-proof`);
    const code = await audit();
    print(`exit code ${code}`);
    if (code !== 1) throw unexpected(`The audit ended with exit code ${code}, not 1`);
  } finally {
    await turnByte(served);
  }
}

/** Turns all bits of the byte in the middle of a file; done twice, the file is what it was. */
async function turnByte(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const at = Math.floor((await file.stat()).size / 2);
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    await file.write(Buffer.from([(buffer[0] ?? 0) ^ 0xff]), 0, 1, at);
  } finally {
    await file.close();
  }
}

const unexpected = (what: string): NightlyError =>
  new NightlyError('gate-failed', `${what}.`, {
    hint: 'The lines above say why; docs/verify-releases.md has the way.',
  });
