import { join } from 'node:path';
import { formatSeconds } from '../base/format.ts';
import type { Task } from '../base/task.ts';
import { bootImage } from '../boot/boot-image.ts';
import { checkSystem, type SystemExpectation } from '../boot/check-system.ts';
import { upgradeAndRollback } from '../boot/upgrade.ts';
import type { StoredBuild } from '../build/build-store.ts';
import type { Runner } from '../run/runner.ts';
import { BOOT_SECONDS } from './demo-config.ts';

/** A host of the demo's first build, which boots while the second is made. */
export interface DemoHost {
  /** Has it follow its ref to that build, and roll back. @throws what went wrong since it was started. */
  upgradeTo(build: StoredBuild): Promise<void>;
  /** Ends it, if it still runs, without telling why it failed. */
  end(): Promise<void>;
}

/** Boots the GenericCloud image of a build, as a step that lasts until the host was rolled back. @param port that what is published is served at */
export function startDemoHost(first: StoredBuild, port: number, runner: Runner): DemoHost {
  let offer: (build: StoredBuild | undefined) => void = () => undefined;
  const next = new Promise<StoredBuild | undefined>((settle) => {
    offer = settle;
  });
  const done = runner.step('boot', {}, (task) => bootAndUpgrade(first, next, port, task));
  // Somebody waits for it later.
  done.catch(() => undefined);
  return {
    async upgradeTo(build) {
      offer(build);
      await done;
    },
    async end() {
      offer(undefined);
      await done.catch(() => undefined);
    },
  };
}

/** Boots the older build's image and does what a person does with a new build, once there is one. */
async function bootAndUpgrade(
  first: StoredBuild,
  next: Promise<StoredBuild | undefined>,
  port: number,
  task: Task,
): Promise<void> {
  const { paths, meta } = first;
  const image = join(paths.dir, meta.images?.['generic-cloud']?.path ?? '');
  const serialLog = task.logFile.replace(/\.log$/, '.serial.log');
  const timeoutSeconds = BOOT_SECONDS;
  const vm = await bootImage({ image, timeoutSeconds, serialLog, firmware: 'bios', reversePorts: [port] }, task);
  try {
    task.say(`ssh login succeeded after ${formatSeconds(vm.bootSeconds)}`);
    const { state } = await checkSystem(vm, expectation(first), task);
    task.say(`systemctl is-system-running: ${state}, on ${meta.buildid}`);
    const second = await next;
    if (!second) return;
    await upgradeAndRollback(vm, { from: expectation(first), to: expectation(second), timeoutSeconds }, task);
  } finally {
    await vm.stop();
  }
}

function expectation({ meta }: StoredBuild): SystemExpectation {
  const { buildid: version, ostreeCommit: commit = '' } = meta;
  return { version, commit, allowDegraded: [], timeoutSeconds: BOOT_SECONDS };
}
