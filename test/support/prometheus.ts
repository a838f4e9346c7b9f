import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { start } from '../../src/programs/exec.ts';
import { untilListening } from './sshd.ts';

/** An alert as Prometheus's /api/v1/alerts has it; those that are neither pending nor firing are not in there. */
export interface Alert {
  readonly state: 'pending' | 'firing';
  readonly labels: Readonly<Record<string, string>> & { readonly alertname: string };
  readonly annotations: Readonly<Record<string, string>>;
}

export interface TestPrometheus {
  alerts(): Promise<readonly Alert[]>;
}

/**
 * A real Prometheus on loopback that scrapes one service, and evaluates the rules, every second, until the running test ends.
 * @param options.job name of the scrape job
 * @param options.target `HOST:PORT` of the service
 * @param options.rules text of a rules file
 */
export async function startPrometheus(
  dir: string,
  { job, target, rules }: { readonly job: string; readonly target: string; readonly rules: string },
): Promise<TestPrometheus> {
  const folder = join(dir, 'prometheus');
  await mkdir(folder);
  await writeFile(join(folder, 'rules.yml'), rules);
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.yml'],
    scrape_configs: [{ job_name: job, static_configs: [{ targets: [target] }] }],
  };
  // JSON is YAML too.
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const port = await freePort();
  const server = await start('prometheus', [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  onTestFinished(() => server.stop());
  await untilListening(port);
  return {
    async alerts() {
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/alerts`);
      return ((await answer.json()) as { data: { alerts: Alert[] } }).data.alerts;
    },
  };
}
