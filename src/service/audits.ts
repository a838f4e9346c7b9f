import { join } from 'node:path';
import { makeFolder } from '../base/files.ts';
import type { Config } from '../config/config.ts';
import { type LaunchedProcess, launch } from '../programs/launch.ts';
import { auditFolder, readAuditReport } from '../publish/audit/audit-report.ts';
import { restorePriority } from './priority.ts';
import { missedMoment, startOf, startSchedule } from './schedule.ts';
import type { ServiceLog } from './service-log.ts';

/** The audits of a service: a process for each, beside nightly builds, for they only read what is published. */
export interface Audits {
  /** Begins no more, and ends the one under way. */
  stop(): Promise<void>;
}

/** Starts the audits of the `audit` block; does nothing where it has no schedule. */
export async function startAudits(config: Config, log: ServiceLog): Promise<Audits> {
  const schedule = config.audit?.schedule;
  if (!config.audit || !schedule) return { stop: async () => undefined };
  let running: LaunchedProcess | undefined;
  let ended: Promise<void> = Promise.resolve();
  let isStopping = false;
  const timers = new Set<NodeJS.Timeout>();

  async function audit(): Promise<void> {
    await makeFolder(auditFolder(config.work));
    const [program = '', script = ''] = process.argv;
    const args = [...process.execArgv, script, '--config', config.path, '--log-format', 'json', 'audit'];
    const output = join(auditFolder(config.work), 'audit.log');
    const child = await launch(program, args, { output: { path: output, flags: 'w' } });
    restorePriority(child.pid);
    running = child;
    if (isStopping) process.kill(child.pid, 'SIGTERM');
    const code = await child.exited;
    running = undefined;
    log(sentence(code, output), { audit: code });
  }

  function begin(at: Date): void {
    const timer = setTimeout(
      () => {
        timers.delete(timer);
        // What was due while an audit ran is in that audit, or in the next.
        if (running !== undefined || isStopping) return;
        ended = audit().catch((error: unknown) => log(`error: audit: ${String(error)}`, {}));
      },
      Math.max(0, at.getTime() - Date.now()),
    );
    timers.add(timer);
  }

  const last = await lastAudit(config);
  const missed = last && missedMoment(schedule, last, new Date());
  if (missed) begin(startOf('audit', schedule, missed));
  const moments = startSchedule(schedule, (moment) => begin(startOf('audit', schedule, moment)));
  return {
    async stop() {
      isStopping = true;
      await moments.stop();
      for (const timer of timers) clearTimeout(timer);
      if (running) process.kill(running.pid, 'SIGTERM');
      await ended;
    },
  };
}

/** When the oldest of the last audits was; undefined when there was none of a target. */
async function lastAudit({ work, audit }: Config): Promise<Date | undefined> {
  const reports = await Promise.all(
    (audit?.targets ?? []).map((target) => readAuditReport(work, target).catch(() => undefined)),
  );
  const times = reports.map((report) => (report ? Date.parse(report.at) : 0));
  return times.includes(0) ? undefined : new Date(Math.min(...times));
}

function sentence(code: number | null, output: string): string {
  switch (code) {
    case 0:
      return 'audit: all is as the log has it';
    case 1:
    case 12:
      return `audit: something is not as the log has it, or could not be read; what it said: ${output}`;
    default:
      return `audit: it did not come to its end (${code ?? 'killed'}); what it said: ${output}`;
  }
}
