import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import { formatSeconds } from '../../base/format.ts';
import { OWN_COMMAND } from '../../base/shipped.ts';
import { type StoredBuild, surveyBuilds } from '../../build/build-store.ts';
import { buildLab, placeLabTreefile, updateLab } from '../../lab/build-lab.ts';
import { formatVkey } from '../../log/note-keys.ts';
import { serviceLog } from '../../service/service-log.ts';
import { openLogKey } from '../../signing/log-key.ts';
import { type ClientCheck, clientCheck } from '../client-check.ts';
import type { RunContext } from '../context.ts';
import { defineCommand } from '../define.ts';
import { DEMO_IMAGES, type DemoFolder, demoConfig, demoFolder } from '../demo-config.ts';
import { type DemoHost, startDemoHost } from '../demo-host.ts';
import { serveDemo } from '../demo-service.ts';
import { number, optionalWithDefault, text } from '../inputs.ts';
import { loadLoggedConfig } from '../open-log.ts';
import { withSteps } from '../with-steps.ts';
import { audit } from './audit.ts';
import { logInit } from './log-init.ts';
import { nightly } from './nightly.ts';
import { show } from './show.ts';

/** Packages of the lab that the second night finds newer. */
const UPDATED = ['curl', 'hostname', 'iputils-ping', 'sudo', 'tree'];

/**
 * `atomic-nightly lab demo`: the whole story on this machine. Lab distribution, first night, package updates, second
 * night with the other images, a check of it against the release log as an anonymous client, a third build with nothing to do;
 * beside all this the first night's image is booted, upgraded to the second night, and rolled back. In a folder where it ran
 * before it continues from there. The images of the second night are booted where asked for: under software emulation that
 * takes longer than all the rest. Where nothing is to be booted, all else is done.
 */
export const labDemo = defineCommand({
  name: 'lab demo',
  summary: 'run two nightly builds, upgrade a booted host and roll it back, and a third build with nothing to do',
  arguments: { folder: optionalWithDefault('DIR', 'folder for everything the demo makes', 'demo', 'folder') },
  options: {
    port: number('NUMBER', 'port of the web server of what is published, in a new folder', 8087),
    livePort: number('NUMBER', 'port of live pages, in a new folder', 8099),
    boot: text(
      'TYPES',
      'images of the second build to boot as well, as in vagrant-libvirt,iso, or "all"; "none": boot nothing, not even the host',
    ),
  },
  examples: ['atomic-nightly lab demo ./demo', 'atomic-nightly lab demo ./demo --boot all'],
  interruptible: true,
  async run({ folder, port, livePort, boot: wanted }, context) {
    const dir = resolve(folder);
    const { print } = context;
    const boot = imagesToBoot(wanted);
    const begun = performance.now();
    const say = (text: string) => print(`\n== ${text} [${formatSeconds((performance.now() - begun) / 1000)}]`);
    await makeFolder(dir);
    const demo = await demoFolder(dir, { port, livePort });
    const { config, url } = demo;
    const own = { ...context, config };
    await withSteps(dir, context, async (runner) => {
      await placeLabTreefile(demo.lab);
      if (!demo.isBegun) await writeFile(config, demoConfig(demo, DEMO_IMAGES.slice(0, 1), []));
      const server = await serveDemo(config, serviceLog(context.logFormat, process.stderr)).catch(
        async (error: unknown) => {
          if (demo.isBegun) throw error;
          // The next try is not to find these ports recorded.
          await rm(config);
          throw withOtherPorts(error);
        },
      );
      let host: DemoHost | undefined;
      try {
        print(`To look at while this runs: ${server.url}/ (live: the build under way, its steps and logs)`);
        print(`and, once there is a first build: ${url}/ (what is published)`);
        say('A small distribution out of Debian packages: signed RPMs in two repositories');
        await runner.step('lab-build', {}, (task) => buildLab({ dir: demo.lab, publicUrl: url }, task));
        say('A release log, in which nothing that is published changes unseen');
        print(`$ ${OWN_COMMAND} --config ${config} log init`);
        await logInit.run({}, own);
        say('First nightly build');
        demand(await night(own), [0, 10]);
        const [first] = (await completeBuilds(dir)).filter(({ meta }) => meta.images?.['generic-cloud']);
        if (!first) throw new NightlyError('bug', 'A nightly build succeeded, but no complete build has an image.');
        print(`To look at: ${url}/ (pages), ${url}/repo (the OSTree repository)`);
        if (wanted !== 'none') {
          say(`The image of ${first.meta.buildid} boots, while the second nightly build is made`);
          host = startDemoHost(first, demo.port, runner);
        }
        say(`Updates appear: ${UPDATED.join(', ')}`);
        await runner.step('lab-update', {}, (task) => updateLab({ dir: demo.lab, packages: UPDATED }, task));
        say(`Second nightly build, now with the other images; booted: ${boot.join(', ') || 'none'}`);
        const images = DEMO_IMAGES.filter((type, index) => index > 0 || boot.includes(type));
        await writeFile(config, demoConfig(demo, images, boot));
        demand(await night(own), [0]);
        const [second] = await completeBuilds(dir);
        if (!second) throw new NightlyError('bug', 'Two nightly builds succeeded, but there is no complete build.');
        const upgraded = host?.upgradeTo(second);
        // Somebody waits for it later.
        upgraded?.catch(() => undefined);
        const shown = { updates: false, changelog: false, since: undefined, junit: undefined, json: false };
        await show.run({ build: second.meta.buildid, ...shown }, own);
        say('An anonymous client checks an image and the commit against the release log');
        await runner.step('client-check', {}, async (task) =>
          clientCheck(await clientOf(own, { dir, published: demo.published, second, url }), print, task),
        );
        say('Third nightly build, with nothing changed');
        demand(await night(own), [10]);
        // Whoever goes on from here gets every image.
        await writeFile(config, demoConfig(demo, DEMO_IMAGES, boot));
        if (host) say(`The host of ${first.meta.buildid} follows its ref to ${second.meta.buildid}, and rolls back`);
        await upgraded;
      } finally {
        await host?.end();
        await server.stop();
      }
    });
    say('Done');
    for (const line of nextSteps(demo, dir)) print(line);
    return 0;
  },
});

/** Returns the image types to boot. @throws NightlyError `usage` for one that the demo does not make. */
function imagesToBoot(wanted: string | undefined): readonly string[] {
  const boot = wanted === 'all' ? DEMO_IMAGES : wanted === 'none' ? [] : (wanted?.split(',') ?? []);
  const unknown = boot.find((type) => !DEMO_IMAGES.includes(type));
  if (unknown === undefined) return boot;
  throw new NightlyError('usage', `The demo has no image "${unknown}" to boot.`, {
    hint: `Its images are ${DEMO_IMAGES.join(', ')}; "all" boots all of them, "none" nothing.`,
  });
}

/** Says what to do where an address of a new demo is taken. */
function withOtherPorts(error: unknown): unknown {
  if (!(error instanceof NightlyError) || error.code !== 'usage') return error;
  const hint = 'Choose other ports: --port for what is published, --live-port for live pages.';
  return new NightlyError('usage', error.message, { hint, cause: error });
}

/** Returns what one may look at when the demo is done. */
function nextSteps({ config, url, livePort, published }: DemoFolder, dir: string): string[] {
  const command = `${OWN_COMMAND} --config ${config}`;
  return [
    `Serve it again:     ${command} serve`,
    `  what is published: ${url}/, until then ${join(published, 'index.html')}`,
    `  live pages:        http://127.0.0.1:${livePort}/`,
    `All builds:         ${command} list`,
    `What changed:       ${command} show latest`,
    `The release log:    ${command} log show`,
    `While it is served: ${command} verify`,
    `                    ${OWN_COMMAND} lab update ${join(dir, 'lab')} less, then ${command} nightly`,
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

/** Complete builds of a demo, the newest first. */
async function completeBuilds(dir: string): Promise<StoredBuild[]> {
  return (await surveyBuilds(join(dir, 'work'))).builds.filter(({ meta }) => meta.state === 'complete');
}
