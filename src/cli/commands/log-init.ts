import { NightlyError } from '../../base/errors.ts';
import { surveyBuilds } from '../../build/build-store.ts';
import { formatVkey } from '../../log/note-keys.ts';
import { readLogHead } from '../../publish/log/log-files.ts';
import { makeLogKey } from '../../signing/log-key.ts';
import { defineCommand } from '../define.ts';
import { loadLoggedConfig, withLockedLog } from '../open-log.ts';

export const logInit = defineCommand({
  name: 'log init',
  summary: 'make the key of the release log, and begin the log with it',
  notes: 'It needs the "log" block of the configuration. Run again, it changes nothing.',
  examples: ['atomic-nightly log init'],
  interruptible: true,
  async run(_, context) {
    const config = await loadLoggedConfig(context.config);
    const { key: source, origin, home } = config.log;
    const made = 'file' in source && (await makeLogKey(source.file, origin));
    const vkey = await withLockedLog(context, { config, step: 'log-init' }, async (log, task) => {
      const { checkpoint } = await readLogHead(log.home, { log: log.key }, task);
      const ours = formatVkey(log.key);
      // A key that was made a moment ago is not that of a log which is there already: its signature would be wrong.
      if (checkpoint.size === 0) await log.append([{ kind: 'key', use: 'log', current: [ours], next: [] }], task);
      for (const copy of log.copies) await log.copyTo(copy, task);
      return ours;
    });
    const url = config.targets[home]?.url;
    if (url === undefined) throw new NightlyError('bug', `The target ${home} has no URL.`);
    if (made && 'file' in source)
      context.print(`Made the key of the log: ${source.file}. Keep a copy of it in a safe place.`);
    const { builds } = await surveyBuilds(config.work);
    if (made && builds.some(({ meta }) => meta.published !== undefined))
      context.print('What is published already is not in it yet: "atomic-nightly publish --reconcile" logs that.');
    context.print(`The log is at ${url}/log. Whoever checks it needs its public key:\n${vkey}`);
    return 0;
  },
});
