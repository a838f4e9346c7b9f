import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { JENKINS, makeJenkinsAgent, runJob, whyNoGroovy } from '../support/jenkins.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** A program whose nth run of a command ends with the nth of its exit codes, and then with the last one. */
async function bed(codes: Readonly<Record<string, readonly number[]>>) {
  const dir = temporaryFolder();
  const [repository, bin] = [join(dir, 'repository'), join(dir, 'bin')];
  await mkdir(repository);
  await mkdir(bin);
  await run('cp', ['-r', JENKINS, join(repository, 'jenkins')]);
  const lists = Object.entries(codes).map(([command, list]) => `${command}) set -- ${list.join(' ')} ;;`);
  const program = `#!/bin/sh
echo "$*" >> ${dir}/calls
command=$1
n=$(grep -c "^$command " ${dir}/calls)
[ "$command" != nightly ] || { echo 20261121_01 > build-id; echo '{"build": "20261121_01", "left": ["iso"]}'; }
case $command in ${lists.join(' ')} *) exit 0 ;; esac
[ "$n" -le $# ] || n=$#
shift $((n - 1))
exit $1
`;
  await writeFile(join(bin, 'atomic-nightly'), program, { mode: 0o755 });
  const agents = [await makeJenkinsAgent(dir, 'one', ['atomic', 'atomic-tree', 'atomic-rebuild', 'x86_64'], bin)];
  const credentials = {
    'atomic-signing-key': 'key',
    'atomic-signing-passphrase': 'planted',
    'atomic-target-key': 'key',
  };
  const job = (name: Parameters<typeof runJob>[2], params: Record<string, string>) =>
    runJob(dir, { repository, agents, credentials }, name, params);
  const calls = async () => (await readFile(join(dir, 'calls'), 'utf8')).trimEnd().split('\n');
  return { job, calls };
}

describe.skipIf(whyNoGroovy())('I7: what an exit code means for a job', () => {
  it('11 waits for the other run, 12 makes it unstable', async () => {
    const { job, calls } = await bed({ nightly: [11, 11, 0], images: [12] });
    const { runs, log } = await job('atomic-nightly', { STREAM: '--config=/etc/shadow' });
    expect(runs.map((one) => [one.job, one.result])).toEqual([
      ['atomic-nightly', 'UNSTABLE'],
      ['atomic-images', 'UNSTABLE'],
    ]);
    expect(log.match(/waiting for it/g)).toHaveLength(2);
    const nightly = 'nightly --until push --resume --id-file build-id --json -- --config=/etc/shadow';
    const show = 'show --junit reports/20261121_01.xml -- 20261121_01';
    expect(await calls()).toEqual([
      ...['doctor', nightly, nightly, nightly, show],
      ...['images --only=iso -- 20261121_01', show],
    ]);
    expect(log).not.toContain('planted');
  });

  it('0 is success, and the machine of the tree takes the images into its record', async () => {
    const { job, calls } = await bed({});
    const { runs } = await job('atomic-nightly', {});
    expect(runs.map(({ result }) => result)).toEqual(['SUCCESS', 'SUCCESS']);
    expect((await calls()).at(-1)).toBe('resume -- 20261121_01');
  });

  it('10 is no failure and starts nothing else', async () => {
    const { job, calls } = await bed({ nightly: [10] });
    const { runs } = await job('atomic-nightly', { FORCE: 'true' });
    expect(runs).toMatchObject([{ result: 'NOT_BUILT', description: 'unchanged' }]);
    expect((await calls())[1]).toBe('nightly --until push --resume --id-file build-id --json --force -- nightly');
    expect((await calls()).filter((call) => call.startsWith('images'))).toEqual([]);
  });

  it('anything else is one; its records are kept all the same', async () => {
    const { job, calls } = await bed({ promote: [12] });
    const { runs, log } = await job('atomic-promote', { BUILD: '20261121_01', OVERRIDES: 'a-1-1.noarch\n--force' });
    expect(runs).toMatchObject([{ result: 'FAILURE' }]);
    expect(log).not.toContain('stage Gate');
    expect((await calls())[0]).toBe(
      'promote --resume --id-file build-id --stream=release --override=a-1-1.noarch --override=--force -- 20261121_01',
    );
  });

  it('a rebuild waits in the same way; 12 asks for a person, and what is disputed is kept', async () => {
    const { job, calls } = await bed({ rebuild: [11, 12], disputes: [12] });
    const { runs } = await job('atomic-rebuild', { SRPMS: 'one two.src.rpm\n\n--due', ON: '$(id)', SCRATCH: 'true' });
    expect(runs).toMatchObject([{ result: 'UNSTABLE', artifacts: ['disputes.json', 'results.json'] }]);
    const rebuild = 'rebuild --json --on=$(id) --scratch -- one two.src.rpm --due';
    expect(await calls()).toEqual([rebuild, rebuild, 'disputes --json']);
  });

  it('a rebuild without source packages builds what is due', async () => {
    const { job, calls } = await bed({ rebuild: [1] });
    expect((await job('atomic-rebuild', {})).runs).toMatchObject([{ result: 'FAILURE' }]);
    expect(await calls()).toEqual(['rebuild --json --due --', 'disputes --json']);
  });
});
