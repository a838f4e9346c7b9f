import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { sshArguments, sshToThrowAway } from '../../src/programs/ssh.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

test('a machine that is slow to answer is not given up by ssh itself: who asks it says how long to wait', async () => {
  const dir = temporaryFolder();
  const log = join(dir, 'argv');
  await writeFile(join(dir, 'ssh'), `#!/bin/sh\nprintf '%s\\n' "$@" >${log}\n`);
  await chmod(join(dir, 'ssh'), 0o755);
  const path = process.env['PATH'];
  process.env['PATH'] = `${dir}:${path}`;
  onTestFinished(() => {
    process.env['PATH'] = path;
  });
  await sshToThrowAway({ address: '127.0.0.1', port: 22, user: 'x', keyFile: 'key' }, 'true', {}, testTask(dir));
  const options = Object.fromEntries((await readFile(log, 'utf8')).split('\n').map((line) => line.split('=')));
  // Without it, a greeting has no limit.
  expect(options).not.toHaveProperty('ConnectTimeout');
  // It asks, so that a machine that restarted can refuse; days of silence would be needed to end it.
  expect(options['ServerAliveInterval'] * options['ServerAliveCountMax']).toBeGreaterThan(86_400);
});

test.each(['identityFile', 'knownHostsFile'])(
  'a path that ssh would put an environment variable into is refused: %s',
  (key) => {
    const option = key === 'identityFile' ? 'IdentityFile' : 'UserKnownHostsFile';
    expect(() => sshArguments({ [key]: '/keys/${HOME}/mirror' })).toThrow(
      `ssh takes no ${option} whose path has \${ in it: /keys/\${HOME}/mirror.`,
    );
  },
);
