import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { configCheck } from '../../src/cli/commands/config-check.ts';
import { configShow } from '../../src/cli/commands/config-show.ts';
import { run } from '../../src/programs/exec.ts';
import { makeSigningKey } from '../support/signing-key.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { runCli } from '../support/world.ts';

const TREEFILE = 'ref: lab/x86_64/host\nrepos: [lab]\npackages: [bash]\n';

/** Everything that is allowed and probably not meant. */
const DOUBTFUL = `name: lab
targets:
  public: {type: directory, path: ./public, url: 'http://mirror.example.org/atomic'}
  local: {type: directory, path: ./local, url: 'http://localhost:8080'}
  forgotten: {type: directory, path: ./forgotten, url: 'https://forgotten.example.org'}
streams:
  nightly:
    treefile: host.yaml
    arch: x86_64
    targets: [public]
    tested-ref: lab/x86_64/host-tested
    schedule: {cron: '0 * * * *', jitter: 1h}
  signed:
    treefile: host.yaml
    arch: x86_64
    ref: lab/x86_64/signed
    targets: [local]
`;

function folderWith(text: string, treefile = TREEFILE): string {
  const dir = temporaryFolder();
  writeFileSync(join(dir, 'host.yaml'), treefile);
  writeFileSync(join(dir, 'lab.repo'), '[lab]\nbaseurl=http://127.0.0.1/lab\n');
  writeFileSync(join(dir, 'new.yaml'), text);
  return dir;
}

/** What "config check" of a folder's new.yaml prints, without what differs from run to run. */
async function checked(dir: string, options: { strict?: boolean; json?: boolean } = {}) {
  const lines: string[] = [];
  const values = { file: join(dir, 'new.yaml'), strict: false, json: false, ...options };
  const context = { config: 'none.yaml', logFormat: 'plain', print: (line: string) => lines.push(line) } as const;
  const code = await configCheck.run(values, context);
  const text = lines
    .join('\n')
    .replaceAll(`${dir}/`, '')
    .replace(/[0-9A-F]{40} expires in .*?:/, 'FPR expires soon:');
  return { code, text };
}

test('what is allowed and probably not meant is a warning with its place; only --strict minds', async () => {
  const { home, key } = await makeSigningKey(temporaryFolder());
  await run('gpg', ['--homedir', home, '--batch', '--quick-set-expire', key, '20d']);
  const dir = folderWith(`${DOUBTFUL}    signing: {type: gpg-agent, home: ${home}, key: ${key}}\n`);
  const { code, text } = await checked(dir);
  expect(text).toBe(
    [
      'new.yaml:5:14: warning: targets.forgotten: nothing is published to this target.',
      'new.yaml:11:17: warning: streams.nightly.tested-ref: this ref is never moved, because the stream has no smoke test.',
      'new.yaml:12:15: warning: streams.nightly.schedule: the jitter of 60 min 00 s is as long as the 60 min 00 s between two builds.',
      'new.yaml:10:14: warning: streams.nightly.targets: hosts read "public" over http, and nothing is signed: whoever is on the way can replace the tree. Add "signing", or an https URL.',
      'new.yaml:12:15: warning: notify: builds run on a schedule, and no notification sink reports one that fails.',
      'new.yaml:18:14: warning: streams.signed.signing: key FPR expires soon: clients refuse what it signed from then on',
      'new.yaml: no faults, 6 warnings (streams: nightly, signed; targets: public, local, forgotten)',
    ].join('\n'),
  );
  expect(code).toBe(0);
  expect((await checked(dir, { strict: true })).code).toBe(1);
  const json: unknown = JSON.parse((await checked(dir, { json: true })).text);
  expect(json).toMatchObject({ file: 'new.yaml', ok: true, faults: [] });
  expect(json).toHaveProperty('warnings.0', {
    ...{ file: 'new.yaml', line: 5, column: 14 },
    message: 'targets.forgotten: nothing is published to this target.',
  });
});

test('every fault of a configuration is listed at once, also as JSON; a schedule that never comes is one', async () => {
  const dir = folderWith(
    DOUBTFUL.replace('0 * * * *', '0 2 31 2,4 *')
      .replace('targets: [local]', 'targets: [locl]')
      .replace('name:', 'nam:'),
  );
  const { stdout, code } = await runCli(dir, ['config', 'check', 'new.yaml', '--json']);
  const { ok, faults, warnings }: Record<string, unknown> = JSON.parse(stdout);
  expect({ ok, code, warnings }).toEqual({ ok: false, code: 2, warnings: [] });
  expect(faults).toEqual([
    { file: 'new.yaml', line: 1, column: 1, message: '"name" is missing; it must be text.' },
    { file: 'new.yaml', line: 1, column: 1, message: 'unknown key "nam". Did you mean "name"?' },
    {
      ...{ file: 'new.yaml', line: 12, column: 22 },
      message:
        'streams.nightly.schedule.cron: is not a cron expression: minute hour day-of-month month day-of-week, as in "0 2 * * *".',
    },
    {
      ...{ file: 'new.yaml', line: 17, column: 15 },
      message: 'streams.signed.targets.0: there is no target "locl". Did you mean "local"?',
    },
  ]);
});

test('faults and notes of treefiles count as those of the configuration that names them, each once', async () => {
  const faulty = folderWith(DOUBTFUL, `${TREEFILE}unit: [x]\npackages: bash\n`);
  const { code, text } = await checked(faulty);
  expect(code).toBe(2);
  expect(text.match(/^host\.yaml:\d+:\d+: error: .*/gm)).toHaveLength(1);
  const nameless = await checked(folderWith(DOUBTFUL, 'repos: [lab]\npackages: [bash]\n'));
  expect(nameless.text).toContain('new.yaml:7:3: error: Neither the stream "nightly" nor its treefile has a ref.');
});

test('there is no such file: a fault like any other, with what to do', async () => {
  const { code, text } = await checked(temporaryFolder());
  expect(code).toBe(2);
  expect(text).toMatch(/^new\.yaml: error: There is no configuration file new\.yaml\.\n.*\n {2}what to do: /);
});

test('config show prints what a small file means, spelled like the file; a part of it, and the nearest of a mistyped one', async () => {
  const dir = folderWith(DOUBTFUL.replace('  nightly:', '  nightLY:').replace('    arch: x86_64\n', ''));
  const { stdout } = await runCli(dir, ['config', 'show', '-c', 'new.yaml']);
  expect(parse(stdout)).toMatchObject({
    work: join(dir, 'work'),
    streams: { nightLY: { 'os-name': 'lab', 'tested-ref': 'lab/x86_64/host-tested', seed: { 'allow-new': false } } },
  });
  const lines: string[] = [];
  const context = {
    config: join(dir, 'new.yaml'),
    logFormat: 'plain',
    print: (line: string) => lines.push(line),
  } as const;
  await configShow.run({ part: 'streams.signed.seed', json: true }, context);
  expect(JSON.parse(lines.join(''))).toEqual({ 'allow-new': false, 'gpg-keys': [], url: 'http://localhost:8080/repo' });
  await expect(configShow.run({ part: 'streams.sined', json: true }, context)).rejects.toThrow(
    'There is no "sined" in streams. Did you mean "signed"?',
  );
  expect(readFileSync(join(dir, 'new.yaml'), 'utf8')).toContain('nightLY');
});

test('a repository that no .repo file beside the treefile has is a fault of the treefile', async () => {
  const { code, text } = await checked(folderWith(DOUBTFUL, TREEFILE.replace('[lab]', '[lap]')));
  expect(code).toBe(2);
  expect(text).toContain(
    'host.yaml:2:9: error: The treefile names the repository "lap", which no .repo file beside it',
  );
  expect(text).toContain('what to do: Correct the id in the treefile, or add a [lap] section');
});
