import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder, readTextIfExists } from '../../base/files.ts';
import { formatSeconds } from '../../base/format.ts';
import { OWN_COMMAND } from '../../base/shipped.ts';
import type { Task } from '../../base/task.ts';
import { bootImage } from '../../boot/boot-image.ts';
import { checkSystem, type SystemExpectation } from '../../boot/check-system.ts';
import { upgradeAndRollback } from '../../boot/upgrade.ts';
import { type StoredBuild, surveyBuilds } from '../../build/build-store.ts';
import { buildLab, updateLab } from '../../lab/build-lab.ts';
import { serveFolder } from '../../lab/webserver.ts';
import { formatVkey } from '../../log/note-keys.ts';
import { openLogKey } from '../../signing/log-key.ts';
import { type ClientCheck, clientCheck } from '../client-check.ts';
import type { RunContext } from '../context.ts';
import { defineCommand } from '../define.ts';
import { number, optionalWithDefault, text } from '../inputs.ts';
import { loadLoggedConfig } from '../open-log.ts';
import { withSteps } from '../with-steps.ts';
import { audit } from './audit.ts';
import { logInit } from './log-init.ts';
import { nightly } from './nightly.ts';
import { show } from './show.ts';

/** Packages of the lab that the second night finds newer. */
const UPDATED = ['curl', 'hostname', 'iputils-ping', 'sudo', 'tree'];

const DEMO_IMAGES: readonly string[] = ['generic-cloud', 'vagrant-libvirt', 'vagrant-virtualbox', 'iso'];

/** Seconds a boot may take; software emulation on a busy machine needs them. */
const BOOT_SECONDS = 600;

/**
 * `atomic-nightly lab demo`: the whole story on this machine. Lab distribution, first night, package updates, second
 * night with all images, a check of it against the release log as an anonymous client, the first night's image booted,
 * upgraded to the second night, rolled back, and a third build with nothing to do. In a folder where it ran before it
 * continues from there. The images of the second night are booted where asked for: under software emulation that takes longer
 * than all the rest. Where nothing is to be booted, all else is done.
 */
export const labDemo = defineCommand({
  name: 'lab demo',
  summary: 'run two nightly builds, upgrade a booted host and roll it back, and a third build with nothing to do',
  arguments: { folder: optionalWithDefault('DIR', 'folder for everything the demo makes', 'demo', 'folder') },
  options: {
    port: number('NUMBER', 'port of the web server for what is published', 8087),
    boot: text(
      'TYPES',
      'images of the second build to boot as well, as in vagrant-libvirt,iso, or "all"; "none": boot nothing, not even the host',
    ),
  },
  interruptible: true,
  async run({ folder, port, boot: wanted }, context) {
    const dir = resolve(folder);
    const { print } = context;
    const boot = wanted === 'all' ? DEMO_IMAGES : wanted === 'none' ? [] : (wanted?.split(',') ?? []);
    const unknown = boot.find((type) => !DEMO_IMAGES.includes(type));
    if (unknown !== undefined) {
      throw new NightlyError('usage', `The demo has no image "${unknown}" to boot.`, {
        hint: `Its images are ${DEMO_IMAGES.join(', ')}; "all" boots all of them, "none" nothing.`,
      });
    }
    const begun = performance.now();
    const say = (text: string) => print(`\n== ${text} [${formatSeconds((performance.now() - begun) / 1000)}]`);
    const publicUrl = `http://127.0.0.1:${port}`;
    const published = join(dir, 'published');
    const labDir = join(dir, 'lab');
    const config = join(dir, 'atomic-nightly.yaml');
    await makeFolder(published);
    await withSteps(dir, context, async (runner) => {
      say('A small distribution out of Debian packages: signed RPMs in two repositories');
      await runner.step('lab-build', {}, (task) => buildLab({ dir: labDir, publicUrl }, task));
      const before = await readTextIfExists(config);
      // One of a time before there was a log is written again.
      if (!before?.includes('\nlog:'))
        await writeFile(config, demoConfig(labDir, published, publicUrl, ['generic-cloud'], []));
      const server = await serveFolder({ root: published, port });
      try {
        say('A release log, in which nothing that is published changes unseen');
        print(`$ ${OWN_COMMAND} --config ${config} log init`);
        await logInit.run({}, { ...context, config });
        say('First nightly build');
        demand(await night({ ...context, config }), [0, 10]);
        say(`Updates appear: ${UPDATED.join(', ')}`);
        await runner.step('lab-update', {}, (task) => updateLab({ dir: labDir, packages: UPDATED }, task));
        say(`Second nightly build, now with all images; booted: ${boot.join(', ') || 'none'}`);
        await writeFile(config, demoConfig(labDir, published, publicUrl, DEMO_IMAGES, boot));
        demand(await night({ ...context, config }), [0]);
        const [second, first] = await completeBuilds(join(dir, 'work'));
        if (!first || !second)
          throw new NightlyError('bug', 'Two nightly builds succeeded, but there are no two complete builds.');
        await show.run(
          {
            build: second.meta.buildid,
            updates: false,
            changelog: false,
            since: undefined,
            junit: undefined,
            json: false,
          },
          { ...context, config },
        );
        say('An anonymous client checks an image and the commit against the release log');
        await runner.step('client-check', {}, async (task) =>
          clientCheck(await clientOf({ ...context, config }, { dir, published, second, url: publicUrl }), print, task),
        );
        if (wanted !== 'none') {
          say(`The image of ${first.meta.buildid} boots, follows its ref to ${second.meta.buildid}, and rolls back`);
          await runner.step('boot', {}, (task) => bootAndUpgrade(first, second, port, task));
        }
        say('Third nightly build, with nothing changed');
        demand(await night({ ...context, config }), [10]);
      } finally {
        await server.stop();
      }
    });
    say('Done');
    for (const line of nextSteps(config, dir)) print(line);
    return 0;
  },
});

/** Returns what one may look at when the demo is done. */
function nextSteps(config: string, dir: string): string[] {
  const command = `${OWN_COMMAND} --config ${config}`;
  return [
    `Pages for people:   ${join(dir, 'published/index.html')}`,
    `All builds:         ${command} list`,
    `What changed:       ${command} show latest`,
    `The release log:    ${command} log show`,
    `Live pages:         ${command} serve`,
    `Boot all images:    ${OWN_COMMAND} lab demo ${dir} --boot all`,
  ];
}

/** Somebody with nothing but the URL and the public key of the log. */
async function clientOf(
  context: RunContext,
  { dir, published, second, url }: { dir: string; published: string; second: StoredBuild; url: string },
): Promise<ClientCheck> {
  const { log } = await loadLoggedConfig(context.config);
  const vkey = formatVkey(await openLogKey(log));
  const own = join(dir, 'client');
  await rm(own, { recursive: true, force: true });
  const asked = { logKey: vkey, policy: undefined, state: join(own, 'audit.json'), maxAge: undefined };
  return {
    ...{ url, vkey, meta: second.meta, dir: own, published },
    audit() {
      context.print(`$ ${OWN_COMMAND} audit ${url} --log-key ${vkey.slice(0, 24)}… --state audit.json`);
      return audit.run({ target: url, ...asked, fullEvery: '7d', json: false }, context);
    },
  };
}

/** `nightly` without an option. */
const USUAL_NIGHT = {
  stream: undefined,
  force: false,
  until: undefined,
  resume: false,
  idFile: undefined,
  dryRun: false,
  json: false,
};

/** Runs a night as a person would, showing the command, and gives its exit code. */
async function night(context: RunContext): Promise<number> {
  const { config, print } = context;
  print(`$ ${OWN_COMMAND} --config ${config} nightly`);
  const begun = performance.now();
  const code = await nightly.run(USUAL_NIGHT, context);
  print(`exit code ${code} after ${formatSeconds((performance.now() - begun) / 1000)}`);
  return code;
}

function demand(code: number, wanted: readonly number[]): void {
  if (wanted.includes(code)) return;
  throw new NightlyError('gate-failed', `The nightly build ended with exit code ${code}, not ${wanted.join(' or ')}.`, {
    hint: 'The lines above say why. To start from nothing, remove the demo folder and run it again.',
  });
}

async function completeBuilds(work: string): Promise<StoredBuild[]> {
  return (await surveyBuilds(work)).builds.filter(({ meta }) => meta.state === 'complete');
}

/** Boots the older build's image and does what a person does with a new night. */
async function bootAndUpgrade(first: StoredBuild, second: StoredBuild, port: number, task: Task): Promise<void> {
  const { paths, meta } = first;
  const image = join(paths.dir, meta.images?.['generic-cloud']?.path ?? '');
  const serialLog = task.logFile.replace(/\.log$/, '.serial.log');
  const timeoutSeconds = BOOT_SECONDS;
  const vm = await bootImage({ image, timeoutSeconds, serialLog, firmware: 'bios', reversePorts: [port] }, task);
  try {
    task.say(`ssh login succeeded after ${formatSeconds(vm.bootSeconds)}`);
    const { state } = await checkSystem(vm, expectation(first), task);
    task.say(`systemctl is-system-running: ${state}, on ${meta.buildid}`);
    await upgradeAndRollback(vm, { from: expectation(first), to: expectation(second), timeoutSeconds }, task);
  } finally {
    await vm.stop();
  }
}

function expectation({ meta }: StoredBuild): SystemExpectation {
  const { buildid: version, ostreeCommit: commit = '' } = meta;
  return { version, commit, allowDegraded: [], timeoutSeconds: BOOT_SECONDS };
}

function demoConfig(
  labDir: string,
  published: string,
  publicUrl: string,
  images: readonly string[],
  boot: readonly string[],
): string {
  return `# Written by "atomic-nightly lab demo". A nightly stream of the lab distribution, published to a folder.
name: lab-atomic-host
work: ./work
engine: auto

targets:
  buildlogs:
    type: directory
    path: ${published}
    url: ${publicUrl}

log:
  home: buildlogs
  origin: lab.example/atomic-host/log
  key-file: ./log.key

streams:
  nightly:
    treefile: ${join(labDir, 'lab-atomic-host.yaml')}
    ref: lab-atomic-host/\${basearch}/nightly
    seed:
      allow-new: true
    targets: [buildlogs]
    remote:
      name: lab-atomic
    deltas: [parent]
    images: [${images.join(', ')}]
${boot.length > 0 ? `    smoke-test: {timeout: ${BOOT_SECONDS}, images: [${boot.join(', ')}]}\n` : ''}`;
}
