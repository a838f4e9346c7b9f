import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { sha256 } from '../../../src/base/files.ts';
import { formatEntry } from '../../../src/published/log-entry.ts';
import { serveFolder } from '../../support/nginx.ts';
import { killIfThere } from '../../support/processes.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { runScript, SCRIPT } from '../../support/verify-script.ts';
import { runCli, startCli } from '../../support/world.ts';

const WITNESS = ['witness', '--key', 'witness.key', '--state', 'witness-state'];

it('log, witness, verifier and audit of this program take what the others made', async () => {
  const dir = temporaryFolder();
  const far = join(dir, 'far');
  mkdirSync(join(far, 'get'), { recursive: true });
  const { url, stop } = await serveFolder({ root: far });
  onTestFinished(stop);
  writeFileSync(join(dir, 'treefile.yaml'), 'ref: test/x86_64/nightly\n');
  const config = (policy: string): void =>
    writeFileSync(
      join(dir, 'atomic-nightly.yaml'),
      `name: mini
work: ./work
targets:
  buildlogs: {type: directory, path: ${far}, url: '${url}'}
log: {home: buildlogs, key-file: ./log.key${policy}}
streams:
  nightly: {treefile: treefile.yaml, arch: x86_64, targets: [buildlogs]}
`,
    );
  const cli = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runCli(dir, args);
    expect([args, code, stderr]).toEqual([args, 0, expect.anything()]);
    return stdout.trim();
  };
  config('');
  const vkey = (await cli('log', 'init')).split('\n').at(-1) ?? '';
  const witnessKey = await cli(...WITNESS, '--new-key', 'witness.example/w');
  const witness = startCli(dir, [...WITNESS, '--listen', '127.0.0.1:0', '--log', vkey]);
  onTestFinished(() => killIfThere(-(witness.pid ?? 0)));
  const [said] = (await once(witness.stdout, 'data')) as [Buffer];
  const [, listening = ''] = /listening on (\S+)/.exec(said.toString()) ?? [];
  writeFileSync(join(dir, 'policy'), `log ${vkey}\nwitness w ${witnessKey} ${listening}\nquorum w\n`);
  config(', policy: ./policy');

  copyFileSync(SCRIPT, join(far, 'get/verify.sh'));
  const content = readFileSync(SCRIPT);
  const file = { path: 'get/verify.sh', sha256: sha256(content), size: content.length };
  const [entry = Buffer.alloc(0)] = formatEntry({ kind: 'tool', file, version: '1' });
  writeFileSync(join(dir, 'entry'), entry);
  await cli('log', 'append', 'entry');
  await cli('log', 'prove', 'get/verify.sh', '--out', 'proof');
  const script = join(far, 'get/verify.sh');
  const checked = await runScript(['dash'], script, ['-p', 'policy', script, 'proof'], dir);
  expect(checked.said).toMatch(/^ok: get\/verify\.sh is entry 1 of the log .*, which had 2 entries, cosigned by w on /);

  const audit = ['audit', url, '--policy', 'policy', '--state', 'audit.json', '--max-age', '1d'];
  expect(await cli(...audit)).toMatch(/all is as the log has it; 2 entries, 1 file read/);
  expect(await cli(...audit)).toMatch(/2 entries, 0 files read/);
  writeFileSync(script, `${content}\n`);
  const found = await runCli(dir, [...audit, '--full-every', '1m']);
  expect([found.code, existsSync(join(dir, 'audit.json'))]).toEqual([0, true]);
  writeFileSync(
    join(dir, 'audit.json'),
    readFileSync(join(dir, 'audit.json'), 'utf8').replace(/"full-at": \d+/, '"full-at": 1'),
  );
  const again = await runCli(dir, audit);
  expect([again.code, again.stdout]).toEqual([1, expect.stringMatching(/^changed: get\/verify\.sh: it has SHA-256/)]);
  const refused = await runScript(['dash'], SCRIPT, ['-p', 'policy', script, 'proof'], dir);
  expect([refused.code, refused.said]).toEqual([1, expect.stringContaining('names no file verify.sh')]);
});
