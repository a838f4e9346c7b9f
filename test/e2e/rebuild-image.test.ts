import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from 'vitest';
import { bootImage, type Vm } from '../../src/boot/boot-image.ts';
import { checkSystem } from '../../src/boot/check-system.ts';
import { inGuest } from '../../src/boot/in-guest.ts';
import { helloSpec } from '../support/hello-source.ts';
import { type LabNight, type LabProject, labProject } from '../support/lab-project.ts';
import { makeRebuildWorld, type RebuildWorld } from '../support/rebuild-world.ts';
import { testTask } from '../support/tmp.ts';

// A builder that was booted from an image of our own: its known-good set is the commit of that image, and nobody has its RPM headers.
const BOOT_SECONDS = 900;
/** The machine is one more processor that this one plays. */
const PATIENCE = 'stall: 30m';

let lab: LabProject;
let world: RebuildWorld;
let night: LabNight;
let vm: Vm | undefined;
let source: string;
let broken = false;

beforeAll(async () => {
  lab = await labProject('rebuild-image');
  // What signs results there.
  const text = await readFile(lab.treefile, 'utf8');
  await writeFile(lab.treefile, text.replace('  - openssh-server\n', '$&  - openssl\n'));
  const own = join(lab.dir, 'rebuilds');
  await mkdir(own);
  world = await makeRebuildWorld(own, { compiler: false });
  source = await world.source('hello', helloSpec());
  await lab.configure(['images: [generic-cloud]', 'smoke-test: false']);
  night = await lab.night();
  const image = await lab.imageOf(night);
  const request = { image, timeoutSeconds: BOOT_SECONDS, firmware: 'bios' as const };
  vm = await bootImage({ ...request, serialLog: join(lab.dir, 'serial.log') }, testTask(lab.dir));
  await checkSystem(vm, { ...night, allowDegraded: [], timeoutSeconds: BOOT_SECONDS }, testTask(lab.dir));
  await configureBuilder(vm);
});
afterAll(async () => {
  await vm?.stop();
  await lab?.stop();
});
beforeEach(({ skip }) => {
  if (broken) skip('an earlier chapter failed');
  onTestFailed(() => {
    broken = true;
  });
});

async function guest(command: string): Promise<string> {
  if (vm === undefined) throw new Error('the machine was not booted');
  return (await inGuest(vm, command, testTask(lab.dir), { timeoutSeconds: 900 })).stdout;
}

/** Does what the operator of a machine does: lets us in as root, makes the key of its results, and tells us both public keys. */
async function configureBuilder({ host }: Vm): Promise<void> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = String(privateKey.export({ type: 'sec1', format: 'pem' }));
  await guest(`set -e
sudo install -d -m 700 /root/.ssh
sudo install -m 600 ~/.ssh/authorized_keys /root/.ssh/authorized_keys
echo '${pem}' | sudo install -m 600 /dev/stdin /etc/atomic-nightly-builder.pem`);
  const publicKey = join(lab.dir, 'guest.pem');
  await writeFile(publicKey, createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }));
  const [kind, key] = (await guest('cat /etc/ssh/ssh_host_ed25519_key.pub')).split(' ');
  // Kept beyond the life of what booted it.
  const identity = join(lab.dir, 'identity');
  await writeFile(identity, readFileSync(host.keyFile), { mode: 0o600 });
  await lab.configure(
    ['images: [generic-cloud]', 'smoke-test: false'],
    [
      'builders:',
      '  machines:',
      '    - name: guest',
      '      operator: example.org',
      `      ssh: {host: ${host.address}, port: ${host.port}, identity-file: ${identity}, host-key: '${kind} ${key}'}`,
      '      arch: [x86_64, noarch]',
      `      statement-key: ${publicKey}`,
      '      image: nightly',
      `  repositories: [${world.distro.repoFile}]`,
      '  root: [rpm-build, setup, mini-release]',
      `  ${PATIENCE}`,
    ],
  );
}

/** What the machine was asked for by the last runs, in order. */
const asked = async (): Promise<string[]> =>
  [...(await readFile(join(lab.dir, 'work/rebuild/logs/rebuild.log'), 'utf8')).matchAll(/^\$ ssh guest (\w+)$/gm)].map(
    ([, verb = '']) => verb,
  );

/** Refused, with what is wrong; after the report nothing was sent or asked. */
async function refused(says: RegExp): Promise<void> {
  const before = (await asked()).length;
  const { code, stdout, stderr } = await lab.cli('rebuild', source, '--scratch', '--json');
  expect([code, stderr]).toEqual([12, expect.anything()]);
  const [{ error }] = JSON.parse(stdout).results;
  expect(error.message).toMatch(says);
  expect((await asked()).slice(before).at(-1)).toBe('probe');
  expect(await guest('sudo ls /var/lib/atomic-nightly-builder/jobs')).toBe('');
}

test('a machine that runs our image as it is passes the check against its commit', async () => {
  const { code, stdout, stderr } = await lab.cli('builders', 'check', 'guest');
  expect(stdout + stderr).not.toMatch(/^ {2}\//m);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/guest/)]);
});

test('a job is built on it, in a root of ours', async () => {
  const { results } = JSON.parse(await lab.must('rebuild', source, '--json'));
  expect(results).toMatchObject([
    { source: { nevra: 'hello-1.0-1.src' }, outcome: 'built', packages: [{ nevra: 'hello-1.0-1.noarch' }] },
  ]);
});

test('a unit that was added is refused, before a byte of a job is sent, until it is gone', async () => {
  const unit = '/etc/systemd/system/added.service';
  await guest(`printf '[Service]\\nExecStart=/usr/bin/true\\n' | sudo tee ${unit} >/dev/null`);
  await refused(
    /guest is refused; nothing of a job was sent there:\n {2}\/etc\/systemd\/system\/added\.service is of no known package/,
  );
  await guest(`sudo rm ${unit}`);
  expect((await lab.cli('builders', 'check', 'guest')).code).toBe(0);
});

test('a changed file of the tree is refused by its name', async () => {
  await guest(`sudo mount -o remount,rw /usr
sudo cp /usr/bin/true /usr/bin/true.new && echo changed | sudo tee -a /usr/bin/true.new >/dev/null && sudo mv /usr/bin/true.new /usr/bin/true
sudo mount -o remount,ro /usr`);
  await refused(/ {2}\/usr\/bin\/true is not what any known package has there/);
});
