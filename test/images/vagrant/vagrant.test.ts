import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { copyFile, open, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sha256File } from '../../../src/base/files.ts';
import { packLibvirtBox } from '../../../src/images/vagrant/libvirt.ts';
import { packVirtualBoxBox } from '../../../src/images/vagrant/virtualbox.ts';
import { type RunResult, run } from '../../../src/programs/exec.ts';
import { type BoxCatalogue, withBoxVersion } from '../../../src/published/vagrant-catalogue.ts';
import type { StaticServer } from '../../support/nginx.ts';
import { serveFolder } from '../../support/nginx.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';
import { boxRequest, MIB, makeDisk, unpackBox } from './boxes.ts';

const NAME = 'lab/atomic-host';
const PROVIDERS = ['libvirt', 'virtualbox'] as const;

/** Two builds' boxes, which all tests serve. */
const shared = mkdtempSync(join(tmpdir(), 'atomic-nightly-test-'));
let server: StaticServer;
beforeAll(async () => {
  mkdirSync(join(shared, 'www'));
  for (const build of ['20261121_09', '20261121_10']) {
    const raw = await makeDisk(join(shared, `${build}.raw`), 16 * MIB);
    const request = (provider: 'libvirt' | 'virtualbox') =>
      boxRequest(`vagrant-${provider}`, shared, raw, { output: boxFile(shared, build, provider) });
    await packLibvirtBox(request('libvirt'), testTask(shared));
    await packVirtualBoxBox(request('virtualbox'), testTask(shared));
  }
  server = await serveFolder({ root: join(shared, 'www') });
});
afterAll(async () => {
  await server.stop();
  rmSync(shared, { recursive: true, force: true });
});

const boxFile = (folder: string, build: string, provider: string) => join(folder, 'www', `${build}.${provider}.box`);

/** Writes the catalogue with that build's boxes added, and returns its URL. */
async function publish(file: string, build: string, before?: BoxCatalogue) {
  const providers = await Promise.all(
    PROVIDERS.map(async (name) => ({
      ...{ name, url: `${server.url}/${build}.${name}.box`, checksum_type: 'sha256' as const, architecture: 'amd64' },
      checksum: await sha256File(boxFile(shared, build, name)),
    })),
  );
  const catalogue = withBoxVersion(before, { name: NAME, description: 'Test', buildId: build, providers });
  await writeFile(join(shared, 'www', file), JSON.stringify(catalogue));
  return { url: `${server.url}/${file}`, catalogue };
}

/** Runs Vagrant as a user who has never used it, without plugins and without asking its makers for a newer Vagrant. */
function vagrantIn(home: string): (...args: string[]) => Promise<RunResult> {
  const env = { HOME: home, VAGRANT_HOME: join(home, 'vagrant.d'), VAGRANT_NO_PLUGINS: '1' };
  return (...args) =>
    run('vagrant', args, {
      ...{ cwd: home, timeoutMs: 60_000, okExitCodes: [0, 1] },
      env: { ...env, VAGRANT_CHECKPOINT_DISABLE: '1' },
    });
}

describe.each(PROVIDERS)('Vagrant with provider %s', (provider) => {
  test('adds a box from the catalogue, sees the next version and takes it', async () => {
    const vagrant = vagrantIn(temporaryFolder());
    const file = `follow-${provider}.json`;
    const { url, catalogue } = await publish(file, '20261121_09');
    expect(await vagrant('box', 'add', url, '--provider', provider)).toMatchObject({ exitCode: 0 });
    expect((await vagrant('box', 'list')).stdout).toContain(`${NAME} (${provider}, 20261121.9`);
    expect((await vagrant('box', 'outdated', '--global')).stdout).toContain('up to date');

    await publish(file, '20261121_10', catalogue);
    expect((await vagrant('box', 'outdated', '--global')).stdout).toMatch(
      /is outdated! Current: 20261121\.9\. Latest: 20261121\.10/,
    );
    expect(await vagrant('box', 'update', '--box', NAME, '--provider', provider)).toMatchObject({ exitCode: 0 });
    expect((await vagrant('box', 'list')).stdout).toContain(`${NAME} (${provider}, 20261121.10`);
  });

  test('refuses a box that is not what the catalogue says', async () => {
    const vagrant = vagrantIn(temporaryFolder());
    const { catalogue } = await publish('good.json', '20261121_09');
    const damaged = `damaged.${provider}.box`;
    await copyFile(boxFile(shared, '20261121_09', provider), join(shared, 'www', damaged));
    const box = await open(join(shared, 'www', damaged), 'r+');
    await box.write(Buffer.from('damage'), 0, 6, 2 * MIB);
    await box.close();
    const text = JSON.stringify(catalogue).replace(`20261121_09.${provider}.box`, damaged);
    await writeFile(join(shared, 'www', `damaged-${provider}.json`), text);
    const result = await vagrant('box', 'add', `${server.url}/damaged-${provider}.json`, '--provider', provider);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toMatch(/checksum of the downloaded box did not match/);
    expect((await vagrant('box', 'list')).stdout).not.toContain(NAME);
  });

  test('takes the Vagrantfile of the box', async () => {
    const home = temporaryFolder();
    const copy = join(home, 'test.box');
    await copyFile(boxFile(shared, '20261121_09', provider), copy);
    const vagrantfile = await readFile(join(await unpackBox(copy), 'Vagrantfile'), 'utf8');
    await writeFile(join(home, 'Vagrantfile'), `${vagrantfile}\nVagrant.configure("2") { |c| c.vm.box = "${NAME}" }\n`);
    const result = await vagrantIn(home)('validate', '--ignore-provider');
    expect(result.stdout).toContain('validated successfully');
  });
});
