import { Command, CommanderError, Option } from 'commander';
import { NightlyError } from '../base/errors.ts';
import { redact } from '../base/redact.ts';
import { STOPS, type Stop } from '../build/stops.ts';
import type { LogFormat } from '../reports/progress/select-listener.ts';
import { asNightlyError } from '../run/runner.ts';
import type { KeysGenerateOptions } from './commands/keys.ts';
import { exitCodeOfError } from './exit-code.ts';
import { formatError } from './print.ts';

const print = (text: string): void => {
  process.stdout.write(`${redact(text)}\n`);
};

/** Aborts on the first SIGINT or SIGTERM; a second one ends the program at once. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(
      new NightlyError('interrupted', 'Interrupted.', {
        hint: 'Run "atomic-nightly resume" to go on where it stopped.',
      }),
    );
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return controller.signal;
}

interface NightlyOptions {
  readonly force?: boolean;
  readonly until?: Stop;
  readonly resume?: boolean;
  readonly idFile?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

interface PublishOptions {
  readonly dryRun?: boolean;
  readonly reconcile?: boolean;
  readonly signBuilds?: boolean;
  readonly target?: string;
  readonly checksums?: boolean;
  readonly json?: boolean;
}

interface PromoteOptions {
  readonly stream?: string;
  readonly recommit?: boolean;
  readonly override?: string[];
  readonly exclude?: string[];
  readonly reason?: string;
  readonly upstream?: string;
  readonly acceptDifferences?: boolean;
  readonly resume?: boolean;
  readonly idFile?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

function usage(message: string, command = 'publish'): NightlyError {
  return new NightlyError('usage', message, { hint: `See "atomic-nightly ${command} --help".` });
}

interface KeysGenerate extends Omit<KeysGenerateOptions, 'passphrase' | 'signal'> {
  readonly passphraseFile?: string;
  readonly passphraseEnv?: string;
}

interface TriggerFlags {
  readonly url: string;
  readonly tokenFile?: string;
  readonly newToken?: boolean;
  readonly json?: boolean;
}

interface Common {
  readonly config: string;
  readonly logFormat: LogFormat;
}

/**
 * The command line. Each command is loaded when it is used, so that "unchanged", which runs every night, starts fast.
 * @param finish is given the exit code.
 */
function createProgram(finish: (code: number) => void): Command {
  const program = new Command('atomic-nightly')
    .description(
      "Runs an Atomic (rpm-ostree style) distribution's nightly: RPM repositories in, OSTree commit and images out.",
    )
    .version('0.1.0')
    .addOption(
      new Option('-c, --config <FILE>', 'configuration').default('atomic-nightly.yaml').env('ATOMIC_NIGHTLY_CONFIG'),
    )
    .addOption(
      new Option('--log-format <FORMAT>', 'progress on standard error')
        .choices(['auto', 'plain', 'json'])
        .default('auto'),
    )
    .showHelpAfterError('(add --help for the commands and options)')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  const common = () => program.opts<Common>();
  const running = () => ({ ...common(), signal: interruptSignal() });

  program
    .command('init')
    .description('write a commented atomic-nightly.yaml to start from')
    .addHelpText('after', '\nExamples:\n  atomic-nightly init\n  atomic-nightly -c /etc/atomic/nightly.yaml init')
    .action(async () => {
      const { runInit } = await import('./commands/init.ts');
      finish(await runInit(common().config, print));
    });

  program
    .command('doctor')
    .description('check programs, versions, disk space, KVM, targets and sinks; say what installs what is missing')
    .option('--json', 'for scripts')
    .addHelpText('after', '\nExamples:\n  atomic-nightly doctor\n  atomic-nightly doctor --json | jq .checks')
    .action(async (options: { json?: boolean }) => {
      const { runDoctor } = await import('./commands/doctor.ts');
      finish(
        await runDoctor({ config: common().config, json: options.json ?? false, signal: interruptSignal() }, print),
      );
    });

  program
    .command('nightly')
    .argument('[STREAM]', 'stream of the configuration; needed when there are several')
    .description('compose, push, build images: one night of a stream')
    .option('--force', 'compose although nothing changed')
    .addOption(
      new Option(
        '--until <STEP>',
        'end well after this step; with push the tree is published, and images are left to "resume" or to "images" anywhere',
      ).choices(STOPS),
    )
    .option('--resume', "go on with the stream's last night if it was cut short in the last 12 hours")
    .option('--id-file <FILE>', 'write the build id to this file as soon as it is known')
    .option('--dry-run', 'say what would change; reserve, compose and publish nothing')
    .option('--json', 'the result for scripts, on standard output')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 usage or configuration, 10 unchanged, 11 locked by another run,\n' +
        '12 built but a gate failed, 130 interrupted.\n\nExamples:\n  atomic-nightly nightly\n  atomic-nightly nightly --dry-run\n  atomic-nightly --log-format json nightly centos --json\n  atomic-nightly nightly centos --until push --resume',
    )
    .action(async (stream: string | undefined, options: NightlyOptions) => {
      const { runNightly } = await import('./commands/nightly.ts');
      const { force = false, resume = false, dryRun = false, json = false, ...rest } = options;
      const named = stream === undefined ? {} : { stream };
      finish(await runNightly({ ...running(), ...named, ...rest, force, resume, dryRun, json }, print));
    });

  program
    .command('resume')
    .argument('[BUILD]', 'build id; default: the newest unfinished build')
    .description('go on with a build that was killed, failed or is incomplete')
    .option('--json', 'the result for scripts, on standard output')
    .addHelpText('after', '\nExamples:\n  atomic-nightly resume\n  atomic-nightly resume 20261121_01')
    .action(async (id: string | undefined, options: { json?: boolean }) => {
      const { runResume } = await import('./commands/resume.ts');
      finish(await runResume(id, { ...running(), json: options.json ?? false }, print));
    });

  program
    .command('images')
    .argument('[BUILD]', 'build id; default: the newest with a commit')
    .description('make the images of a build that are missing or whose image type changed; test and publish them')
    .option('--only <TYPES>', 'only these image types, as in generic-cloud,iso', (text) => text.split(','))
    .option('--json', 'the result for scripts, on standard output')
    .addHelpText(
      'after',
      '\nA build that another machine made is fetched from the first target of its stream: docs/jenkins.md.\n\n' +
        'Examples:\n  atomic-nightly images\n  atomic-nightly images 20261121_01\n  atomic-nightly images 20261121_01 --only iso',
    )
    .action(async (id: string | undefined, options: { only?: string[]; json?: boolean }) => {
      const { runImages } = await import('./commands/images.ts');
      finish(await runImages(id, { ...running(), ...options, json: options.json ?? false }, print));
    });

  program
    .command('publish')
    .argument('[BUILD]', 'build id; default: the newest with a commit')
    .description('send a build to the targets of its stream that do not have it yet; or repair a target')
    .option('--dry-run', 'print what each target has, what would be sent, moved and removed; change nothing')
    .option('--reconcile', 'compare targets with the work folder, and send again what is lost or damaged there')
    .option('--target <NAME>', 'with --reconcile: only this target')
    .option('--checksums', 'with --reconcile: read everything back and compare contents, not only sizes')
    .option(
      '--sign-builds',
      'with --reconcile: add signatures of keys that came since to commits and files of earlier builds',
    )
    .option('--json', 'the plan or the result for scripts, on standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  atomic-nightly publish --dry-run\n  atomic-nightly publish 20261121_01      (after adding a target)\n  atomic-nightly publish --reconcile --target mirror --dry-run',
    )
    .action(async (id: string | undefined, options: PublishOptions) => {
      const {
        dryRun = false,
        reconcile = false,
        checksums = false,
        signBuilds = false,
        json = false,
        target,
      } = options;
      if (reconcile) {
        if (id !== undefined) throw usage('--reconcile looks at whole targets and takes no BUILD.');
        const { runReconcile } = await import('./reconcile.ts');
        const named = target === undefined ? {} : { target };
        finish(await runReconcile({ ...running(), ...named, checksums, signBuilds, dryRun, json }, print));
        return;
      }
      if (target !== undefined || checksums || signBuilds)
        throw usage('--target, --checksums and --sign-builds go with --reconcile.');
      const { runPublish } = await import('./commands/publish.ts');
      finish(await runPublish(id, { ...running(), dryRun, json }, print));
    });

  program
    .command('promote')
    // Options that take several words would swallow a BUILD behind them.
    .usage('<BUILD> [options]')
    .argument('<BUILD>', 'build id of a night')
    .description('rebuild a night, from its own packages, as a new build of a release stream; push it to be tested')
    .option('--stream <NAME>', 'release stream; needed when several are fed from the nights')
    .option('--recommit', "keep the night's tree byte for byte, in a new commit")
    .option('--override <NEVRA...>', 'take a newer package, as name-[epoch:]version-release.arch')
    .option('--exclude <NAME...>', 'leave a package out')
    .option('--reason <TEXT>', 'why, for the record')
    .option('--upstream <ID>', "upstream's release that this maps to; default: by the cycle of the configuration")
    .option('--accept-differences', 'go on although the rebuilt tree differs from the night; they are recorded')
    .option('--resume', 'go on with the same promotion if it was cut short in the last 12 hours')
    .option('--id-file <FILE>', 'write the build id to this file as soon as it is known')
    .option('--dry-run', 'check the packages and their signatures, say what would change; build nothing')
    .option('--json', 'the result for scripts, on standard output')
    .addHelpText(
      'after',
      '\nEvery package must carry a good signature of the stream; "resume" goes on with a promotion that was killed.\n\n' +
        'Examples:\n  atomic-nightly promote 20261117_01 --dry-run\n  atomic-nightly promote 20261117_01 --reason "cycle 12"\n' +
        '  atomic-nightly promote 20261117_01 --override openssl-1:3.2.2-7.el9.x86_64 --reason CVE-2026-1234',
    )
    .action(async (id: string, options: PromoteOptions) => {
      const { runPromote } = await import('./commands/promote.ts');
      const { override = [], exclude = [], recommit = false, acceptDifferences = false, ...rest } = options;
      const { dryRun = false, json = false, ...named } = rest;
      const asked = { recommit, acceptDifferences, overrides: override, excludes: exclude, dryRun, json };
      finish(await runPromote(id, { ...running(), ...named, ...asked }, print));
    });

  program
    .command('approve')
    .argument('<BUILD>', 'build id of a promotion')
    .requiredOption('--by <NAME>', 'who says that it may be released')
    .option('--note <TEXT>', 'for the record')
    .option('--json', 'for scripts')
    .description('record that somebody approves a promotion')
    .addHelpText(
      'after',
      '\nExample:\n  atomic-nightly approve 20261121_03 --by "Jane Doe" --note "booted on bare metal"',
    )
    .action(async (id: string, options: { by: string; note?: string; json?: boolean }) => {
      const { runApprove } = await import('./commands/approve.ts');
      finish(await runApprove(id, { ...common(), ...options, json: options.json ?? false }, print));
    });

  program
    .command('release')
    .argument('<BUILD>', 'build id of a promotion')
    .description('send a promotion that was tested to the mirrors, and tell everybody; or take a release back')
    .option(
      '--withdraw',
      'take it back: pointers and the tree go back to the release before it, and hosts get that as an upgrade',
    )
    .option('--reason <TEXT>', 'with --withdraw: why, for the release index')
    .option('--dry-run', 'say what would be done; change nothing')
    .option('--json', 'the result for scripts, on standard output')
    .addHelpText(
      'after',
      '\nRun again after a failure or a kill, it goes on where it stopped.\n\nExamples:\n  atomic-nightly release 20261121_03 --dry-run\n  atomic-nightly release 20261121_03\n  atomic-nightly release --withdraw 20261121_03 --reason "hosts with bonded networks lose them"',
    )
    .action(async (id: string, options: { withdraw?: boolean; reason?: string; dryRun?: boolean; json?: boolean }) => {
      const { runRelease, runWithdraw } = await import('./commands/release.ts');
      const { dryRun = false, json = false, reason } = options;
      if (options.withdraw !== true) {
        if (reason !== undefined) throw usage('--reason goes with --withdraw.', 'release');
        finish(await runRelease(id, { ...running(), dryRun, json }, print));
        return;
      }
      if (reason === undefined) throw usage('--withdraw needs a --reason: users will read it.', 'release');
      finish(await runWithdraw(id, { ...running(), dryRun, json, reason }, print));
    });

  program
    .command('release-package')
    .argument('[STREAM]', 'stream of the configuration; default: the only nightly one')
    .description('make the RPM with the OSTree remote and key of a stream; sign it, and publish its repository')
    .option('--dry-run', 'say what would be made; change nothing')
    .option('--json', 'the result for scripts, on standard output')
    .addHelpText(
      'after',
      '\nExit codes: 0 made or published, 10 unchanged. Run again after a failure or a kill, it does what is left.\n\n' +
        'Examples:\n  atomic-nightly release-package\n  atomic-nightly release-package release --dry-run\n  atomic-nightly release-package release --json | jq -r .package',
    )
    .action(async (stream: string | undefined, options: { dryRun?: boolean; json?: boolean }) => {
      const { runReleasePackage } = await import('./commands/release-package.ts');
      const { dryRun = false, json = false } = options;
      finish(await runReleasePackage(stream, { ...running(), dryRun, json }, print));
    });

  program
    .command('verify')
    .argument('[TARGET]', 'target of the configuration; default: all')
    .description('look at what is published as an outsider: pull, signatures, deltas, records, images')
    .option('--ref <REF>', 'only this ref, and no builds')
    .option('--images', 'fetch every image and compare its SHA-256')
    .option('--json', 'for scripts')
    .addHelpText(
      'after',
      '\nExit codes: 0 all is well, 1 something is not.\n\nExamples:\n  atomic-nightly verify\n  atomic-nightly verify buildlogs --images\n  atomic-nightly verify --json | jq ".[].checks[] | select(.ok | not)"',
    )
    .action(async (target: string | undefined, options: { ref?: string; images?: boolean; json?: boolean }) => {
      const { runVerify } = await import('./commands/verify.ts');
      const { images = false, json = false, ...rest } = options;
      finish(
        await runVerify({ ...running(), ...(target === undefined ? {} : { target }), ...rest, images, json }, print),
      );
    });

  program
    .command('list')
    .description('the builds, newest first: state, age, changes, tests, images, what they were promoted to')
    .option('--stream <NAME>', 'only those of a stream')
    .option('--json', 'the records, for scripts')
    .addHelpText('after', '\nExample:\n  atomic-nightly list --json | jq -r ".[0].buildid"')
    .action(async (options: { stream?: string; json?: boolean }) => {
      const { runList } = await import('./commands/list.ts');
      finish(await runList({ ...common(), ...options, json: options.json ?? false }, print));
    });

  program
    .command('show')
    .argument('<BUILD>', 'build id')
    .description('one build: commit, package changes, images, times, promotions, and security updates since')
    .option('--no-updates', 'do not ask the repositories what is newer since')
    .option('--junit <FILE>', 'write steps and smoke tests as a JUnit report instead')
    .option('--json', 'the record, for scripts')
    .addHelpText(
      'after',
      '\nExamples:\n  atomic-nightly show 20261121_02\n  atomic-nightly show 20261121_02 --junit reports/20261121_02.xml',
    )
    .action(async (id: string, options: { updates: boolean; junit?: string; json?: boolean }) => {
      const { runShow } = await import('./commands/show.ts');
      finish(await runShow(id, { ...running(), ...options, json: options.json ?? false }, print));
    });

  program
    .command('diff')
    .argument('<FROM>', 'build id; with --last-release the newer one')
    .argument('[TO]', 'build id')
    .description('what changed between any two builds: packages, kernel, number of files, sizes')
    .option('--last-release', 'compare with the last release')
    .option('--json', 'for scripts')
    .addHelpText(
      'after',
      '\nExamples:\n  atomic-nightly diff 20261120_01 20261121_02\n  atomic-nightly diff 20261121_02 --last-release',
    )
    .action(async (from: string, to: string | undefined, options: { lastRelease?: boolean; json?: boolean }) => {
      const { runDiff } = await import('./commands/diff.ts');
      const { lastRelease = false, json = false } = options;
      finish(await runDiff([from, to], { ...common(), lastRelease, json }, print));
    });

  program
    .command('cycle')
    .description('where in the cycle of releases we are, which night is due, and the upstream release it maps to')
    .option('--stream <NAME>', 'release stream; needed when there are several')
    .option('--json', 'for scripts')
    .addHelpText('after', '\nExample:\n  atomic-nightly cycle --json | jq -r .candidate.build')
    .action(async (options: { stream?: string; json?: boolean }) => {
      const { runCycle } = await import('./commands/cycle.ts');
      finish(await runCycle({ ...common(), ...options, json: options.json ?? false }, print));
    });

  program
    .command('log')
    .argument('<BUILD>', 'build id')
    .argument('[STEP]', 'print everything the programs of this step printed')
    .description('what happened in a build, step by step')
    .addHelpText('after', '\nExamples:\n  atomic-nightly log 20261121_01\n  atomic-nightly log 20261121_01 compose')
    .action(async (id: string, step: string | undefined) => {
      const { runLog } = await import('./commands/log.ts');
      finish(await runLog(id, step, common(), print));
    });

  program
    .command('prune')
    .argument('[TARGET]', 'target of the configuration; default: every one with a retention')
    .description('remove from targets what their retention does not keep, after its grace period')
    .option('--dry-run', 'say what stays and why, what would go, and the bytes that frees; change nothing')
    .option('--json', 'for scripts')
    .addHelpText(
      'after',
      '\nThe first prune that does not keep a commit gives it up; one after the grace period removes it.\n' +
        'A ref without a policy stops it before anything is removed.\n\n' +
        'Examples:\n  atomic-nightly prune --dry-run\n  atomic-nightly prune buildlogs\n  atomic-nightly prune --dry-run --json | jq ".targets[].removed"',
    )
    .action(async (target: string | undefined, options: { dryRun?: boolean; json?: boolean }) => {
      const { runPrune } = await import('./commands/prune.ts');
      const { dryRun = false, json = false } = options;
      finish(await runPrune({ ...running(), ...(target === undefined ? {} : { target }), dryRun, json }, print));
    });

  const keys = program
    .command('keys')
    .description('the keys that streams sign with: docs/signing.md')
    .addHelpText(
      'after',
      '\nExamples:\n  atomic-nightly keys show\n  atomic-nightly keys generate --name "Atomic SIG" --email atomic@example.org --passphrase-file pass --out keys-2026',
    );
  keys
    .command('show')
    .description('each key with its fingerprint, how long it lasts, and the streams and targets that use it')
    .option('--json', 'for scripts')
    .addHelpText(
      'after',
      '\nExit codes: 0 each can sign, 1 one cannot.\n\nExample:\n  atomic-nightly keys show --json | jq ".[].daysLeft"',
    )
    .action(async (options: { json?: boolean }) => {
      const { runKeysShow } = await import('./commands/keys.ts');
      finish(await runKeysShow({ ...running(), json: options.json ?? false }, print));
    });
  keys
    .command('generate')
    .description('make a signing key: signing.key (private, encrypted), signing.asc, signing.gpg and signing.rev')
    .requiredOption('--name <NAME>', 'in the user id, as in "Atomic SIG"')
    .requiredOption('--email <ADDRESS>', 'in the user id')
    .requiredOption('--out <DIR>', 'folder for the files; none of them may be there')
    .option('--expires <TIME>', 'days, weeks or years from now (d, w, y), or never', '3y')
    .addOption(
      new Option('--algorithm <NAME>', 'rpm of EL7 and older verifies RSA only')
        .choices(['rsa4096', 'ed25519'])
        .default('rsa4096'),
    )
    .option('--passphrase-file <FILE>', 'file with the passphrase, readable by its owner only')
    .option('--passphrase-env <NAME>', 'environment variable with the passphrase')
    .addHelpText(
      'after',
      '\nExample:\n  (umask 077; openssl rand -base64 32 > passphrase)\n  atomic-nightly keys generate --name "Atomic SIG" --email atomic@example.org --passphrase-file passphrase --out keys-2026',
    )
    .action(async ({ passphraseFile: file, passphraseEnv: env, ...options }: KeysGenerate) => {
      if ((file === undefined) === (env === undefined)) {
        throw new NightlyError(
          'usage',
          'A passphrase comes from --passphrase-file or --passphrase-env: give one of them.',
          {
            hint: 'See "atomic-nightly keys generate --help".',
          },
        );
      }
      const { runKeysGenerate } = await import('./commands/keys.ts');
      const passphrase = file === undefined ? { env: env ?? '' } : { file };
      finish(await runKeysGenerate({ ...options, passphrase, signal: interruptSignal() }, print));
    });

  program
    .command('notify')
    .description('whom the configuration tells about builds: docs/notify.md')
    .addHelpText('after', '\nExamples:\n  atomic-nightly notify test\n  atomic-nightly notify test --sink mail')
    .command('test')
    .description('send every sink, or one, a test message')
    .option('--sink <NAME>', 'name of a sink, or its number in the configuration, from 1')
    .option('--json', 'for scripts')
    .addHelpText(
      'after',
      '\nExit codes: 0 all took it, 1 one did not.\n\nExample:\n  atomic-nightly notify test --sink mail',
    )
    .action(async (options: { sink?: string; json?: boolean }) => {
      const { runNotifyTest } = await import('./commands/notify.ts');
      finish(await runNotifyTest({ ...running(), ...options, json: options.json ?? false }, print));
    });

  program
    .command('serve')
    .description('run the schedules of the streams, pages, metrics and triggers until it is stopped: docs/service.md')
    .addHelpText(
      'after',
      '\nA run goes on when the service is killed; the next one waits for it, or resumes it. SIGTERM begins no more nights\n' +
        'and interrupts the one under way after "service.drain".\n\nExamples:\n  atomic-nightly serve\n  curl http://127.0.0.1:8099/readyz',
    )
    .action(async () => {
      const { runServe } = await import('./commands/serve.ts');
      finish(await runServe(common()));
    });

  program
    .command('trigger')
    .argument('[STREAM]', 'nightly stream of the service')
    .description('ask a running service to begin a night: "the RPM repositories changed"')
    .option('--url <URL>', 'of the service', 'http://127.0.0.1:8099')
    .option('--token-file <FILE>', 'file with the token alone, readable by its owner only')
    .option('--new-token', 'make a token, print it once, and add its hash to "service.trigger.token-hash-file"')
    .option('--json', 'for scripts')
    .addHelpText(
      'after',
      '\nExamples:\n  (umask 077; atomic-nightly trigger --new-token > token)\n  atomic-nightly trigger nightly --url https://nightly.example.org --token-file token',
    )
    .action(async (stream: string | undefined, options: TriggerFlags) => {
      const { runNewToken, runTrigger } = await import('./commands/trigger.ts');
      const { url, tokenFile, newToken = false, json = false } = options;
      if (newToken) finish(await runNewToken({ ...common(), json }, print));
      else if (stream === undefined) throw usage('Name a stream, or make a token with --new-token.', 'trigger');
      else if (tokenFile === undefined) throw usage('A request needs a token: name its --token-file.', 'trigger');
      else finish(await runTrigger(stream, { url, tokenFile, json }, print));
    });

  program
    .command('treefile')
    .argument('<FILE>', 'top treefile, JSON or YAML')
    .description('read a treefile with all it includes; print the flattened result and where each value came from')
    .option('--arch <ARCH>', "base architecture; default: this machine's")
    .option('--json', 'for scripts')
    .addHelpText(
      'after',
      '\nExample:\n  atomic-nightly treefile treefiles/centos-stream-atomic-host.yaml --arch aarch64',
    )
    .action(async (file: string, options: { arch?: string; json?: boolean }) => {
      const { runTreefile } = await import('./commands/treefile.ts');
      finish(await runTreefile(file, options, print));
    });

  const lab = program
    .command('lab')
    .description("try everything without a CentOS mirror: a tiny distribution out of the host's Debian packages")
    .addHelpText(
      'after',
      '\nExamples:\n  atomic-nightly lab build ./lab --url http://127.0.0.1:8087\n  atomic-nightly lab update ./lab less curl --kernel\n  atomic-nightly lab demo ./demo',
    );
  lab
    .command('build')
    .argument('<DIR>', 'folder of the lab')
    .option('--url <URL>', 'where the published repo will be seen, without /repo', 'http://127.0.0.1:8087')
    .option('--json', 'for scripts')
    .description('make or complete the lab distribution: two signed RPM repositories and a treefile')
    .action(async (dir: string, options: { url: string; json?: boolean }) => {
      const { runLabBuild } = await import('./commands/lab.ts');
      finish(await runLabBuild({ ...running(), dir, publicUrl: options.url, json: options.json ?? false }, print));
    });
  lab
    .command('update')
    .argument('<DIR>', 'folder of the lab')
    .argument('[PACKAGE...]', 'packages to publish a newer release of')
    .option('--kernel', 'publish a newer kernel')
    .option('--remove <PACKAGE...>', 'take packages out of the repositories')
    .option('--json', 'for scripts')
    .description('publish changes for a next night to find')
    .action(
      async (dir: string, packages: string[], options: { kernel?: boolean; remove?: string[]; json?: boolean }) => {
        const { runLabUpdate } = await import('./commands/lab.ts');
        const { kernel = false, remove = [], json = false } = options;
        finish(await runLabUpdate({ ...running(), dir, packages, kernel, remove, json }, print));
      },
    );
  lab
    .command('demo')
    .argument('[DIR]', 'folder for everything the demo makes', 'demo')
    .option('--port <NUMBER>', 'of the web server in front of what is published', Number, 8087)
    .option('--boot <TYPES>', 'of the second night: only boot these image types, as in vagrant-libvirt,iso, or "none"')
    .description('two nights, a booted host upgraded and rolled back, and a third night with nothing to do')
    .action(async (dir: string, { port, boot }: { port: number; boot?: string }) => {
      const { DEMO_IMAGES, runDemo } = await import('./commands/lab-demo.ts');
      finish(
        await runDemo(
          { ...running(), dir, port, boot: boot === 'none' ? [] : (boot?.split(',') ?? DEMO_IMAGES) },
          print,
        ),
      );
    });

  return program;
}

async function main(argv: readonly string[]): Promise<number> {
  let code = 0;
  const program = createProgram((result) => {
    code = result;
  });
  try {
    await program.parseAsync(argv);
    return code;
  } catch (caught) {
    // Commander has printed its own message already; --help and --version end with 0.
    if (caught instanceof CommanderError) return caught.exitCode === 0 ? 0 : 2;
    const error = asNightlyError(caught);
    if (program.opts<Common>().logFormat === 'json') {
      const { jsonLog } = await import('../reports/progress/json-lines.ts');
      jsonLog(process.stderr, { build: null, stream: null }).error(error);
    } else process.stderr.write(`${formatError(error)}\n`);
    return exitCodeOfError(error);
  }
}

process.exitCode = await main(process.argv);
