import { NightlyError } from '../../base/errors.ts';
import { readApprovals, writeApprovals } from '../../build/approvals.ts';
import type { Approval, BuildMeta } from '../../build/build-record.ts';
import { findBuild } from '../../build/build-store.ts';
import { continueHint } from '../../build/continue-hint.ts';
import { loadConfig } from '../../config/load.ts';
import { takeRunLock } from '../../run/run-lock.ts';
import { defineCommand } from '../define.ts';
import { flag, needed, text } from '../inputs.ts';
import { warn } from '../open-run.ts';
import { printJson } from '../print.ts';
import { refuseControlCharacters } from '../typed.ts';

/**
 * `atomic-nightly approve BUILD --by NAME`: keeps beside a promotion's record that somebody says it may be released. The same
 * name a second time changes nothing. Gives the exit code.
 * @throws NightlyError `usage`, `gate-failed`, `not-found`, `locked`.
 */
export const approve = defineCommand({
  name: 'approve',
  section: 'Releases',
  summary: 'record an approval of a promotion',
  arguments: { build: needed('BUILD', 'build id of a promotion', 'build') },
  options: {
    by: text('NAME', 'who approves the release', { required: true }),
    note: text('TEXT', 'note, stored in the build record'),
    json: flag('for scripts'),
  },
  examples: ['atomic-nightly approve 20261121_03 --by "Jane Doe" --note "booted on bare metal"'],
  async run({ build: id, note, json, ...options }, { config: path, logFormat, print }) {
    const by = options.by.trim();
    refuseControlCharacters({ by, note });
    if (by === '') {
      throw new NightlyError('usage', 'An approval needs the name of who gives it.', {
        hint: 'As in --by "Jane Doe".',
      });
    }
    const config = await loadConfig(path);
    await findBuild(config.work, id);
    const lock = await takeRunLock(config.work, `approve ${id}`);
    try {
      const { meta, paths } = await findBuild(config.work, id);
      refuse(meta);
      if (Object.keys(meta.smokeTests ?? {}).length === 0)
        warn(
          [`Build ${id} was never tested: none of its images was booted, and "release" refuses it for that.`],
          logFormat,
        );
      const approvals = (await readApprovals(paths.approvals)) ?? meta.approvals ?? [];
      const known = approvals.find((one) => one.by === by);
      const approval: Approval = { by, at: new Date().toISOString(), note };
      const all = known ? approvals : [...approvals, approval];
      if (!known) await writeApprovals(paths.approvals, all);
      const needed = config.streams[meta.stream]?.release?.approvals ?? 0;
      if (json) printJson({ build: id, approvals: all, needed }, print);
      else {
        print(known ? `${by} approved ${id} on ${known.at} already.` : `${by} approves ${id}.`);
        print(`  approvals: ${all.length}; the stream asks for ${needed}`);
      }
      return 0;
    } finally {
      await lock.release();
    }
  },
});

function refuse(meta: BuildMeta): void {
  const { buildid: id } = meta;
  const state = meta.state;
  const later = meta.supersededBy;
  if (meta.promotion === undefined) {
    throw new NightlyError('usage', `Build ${id} is not a promotion; only promotions are approved.`, {
      hint: state === 'complete' ? `Promote it first: "atomic-nightly promote ${id}".` : continueHint(meta),
    });
  }
  if (meta.release !== undefined) {
    throw new NightlyError('usage', `Build ${id} is released; its record does not change any more.`, {
      hint: `"atomic-nightly show ${id}" shows who approved it.`,
    });
  }
  if (state === 'gate-failed') {
    const failed = (meta.failures ?? []).map(({ step, message }) => `  ${step}: ${message}`);
    throw new NightlyError('gate-failed', `Build ${id} did not pass its gate:\n${failed.join('\n')}`, {
      hint: `"atomic-nightly resume ${id}" tries it again; "atomic-nightly log ${id} STEP" shows what happened.`,
    });
  }
  if (state !== 'complete') {
    throw new NightlyError('usage', `Build ${id} is ${state}, not complete.`, {
      hint: continueHint(meta),
    });
  }
  if (later !== undefined) {
    throw new NightlyError('usage', `Build ${id} is superseded by ${later}.`, { hint: `Approve ${later}.` });
  }
}
