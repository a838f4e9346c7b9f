import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A QEMU whose machine asks for a login at once and greets as an ssh server, until it is stopped. */
const QEMU = `#!/usr/bin/env node
const { writeFileSync } = require('node:fs');
if (process.argv[2] === '--version') {
  console.log('QEMU emulator version 7.2.22');
  process.exit(0);
}
const words = process.argv.slice(2).join(' ');
const port = /hostfwd=tcp:127\\.0\\.0\\.1:(\\d+)-:22/.exec(words)?.[1];
const serial = /file:(\\S+)/.exec(words)?.[1];
if (!port || !serial) process.exit(1);
require('node:net')
  .createServer((socket) => socket.on('error', () => undefined).end('SSH-2.0-standin\\r\\n'))
  .listen(Number(port), '127.0.0.1', () => writeFileSync(serial, 'mini login: \\n'));
`;

/** ssh: only guests have a host key that nobody knows; other machines are asked for real. */
const SSH = `#!/bin/sh
case " $* " in
  *' StrictHostKeyChecking=no '*) exec "$(dirname "$0")/ssh-to-guest" "$@" ;;
  *) exec /usr/bin/ssh "$@" ;;
esac
`;

/** An ssh into that machine: it runs what the newest record names, and all is well with it. */
const ssh = (builds: string): string => `#!/usr/bin/env node
const { readdirSync, readFileSync } = require('node:fs');
const newest = readdirSync('${builds}').filter((name) => /^\\d{8}_/.test(name)).sort().at(-1);
const meta = JSON.parse(readFileSync('${builds}/' + newest + '/x86_64/meta.json', 'utf8'));
const command = process.argv.at(-1);
if (command.includes('boot_id')) console.log('0b9d3c3e-0000-4000-8000-000000000000');
else if (command.includes('ostree admin status'))
  console.log('* mini ' + meta['ostree-commit'] + '.0\\n    Version: ' + meta.buildid + '\\n    origin refspec: mini:x');
else if (command.includes('is-system-running')) console.log('running');
`;

/**
 * Programs that stand in for a virtual machine whose guest comes up well: what a smoke test asks is answered, nothing boots.
 * @param work the work folder whose newest build is booted
 * @returns a PATH with them in front
 */
export async function standInGuest(dir: string, work: string): Promise<string> {
  const bin = join(dir, 'stand-in-bin');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, 'qemu-system-x86_64'), QEMU, { mode: 0o755 });
  await writeFile(join(bin, 'ssh'), SSH, { mode: 0o755 });
  await writeFile(join(bin, 'ssh-to-guest'), ssh(join(work, 'builds')), { mode: 0o755 });
  return `${bin}:${process.env['PATH']}`;
}
