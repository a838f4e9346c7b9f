import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/tmp.ts';
import { runCli } from '../support/world.ts';

test('an empty work folder is told as one, with what brings a build; a stream that does not exist is named', async () => {
  const dir = temporaryFolder();
  writeFileSync(join(dir, 'host.yaml'), '{}');
  writeFileSync(
    join(dir, 'atomic-nightly.yaml'),
    `name: lab
targets: {web: {type: directory, path: ./published, url: 'http://127.0.0.1:1'}}
streams: {nightly: {treefile: host.yaml, targets: [web]}}
`,
  );
  const said = `No builds in ${join(dir, 'work')} yet. "atomic-nightly nightly" makes one; "atomic-nightly fetch BUILD" brings one that a target has.\n`;
  expect(await runCli(dir, ['list'])).toMatchObject({ code: 0, stdout: said });
  expect(await runCli(dir, ['list', '--stream', 'nightly'])).toMatchObject({ code: 0, stdout: said });
  const { stdout } = await runCli(dir, ['list', '--stream', 'nope']);
  expect(stdout).toBe('There is no stream "nope", and no build of one.\n');
});
