import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { armoredKey } from '../../src/base/openpgp-packets.ts';
import { dnfInstall } from './rpm-client.ts';
import { pick, type RpmsMaterial, rpmsWorld } from './rpms-world.ts';
import { temporaryFolder } from './tmp.ts';
import { until } from './until.ts';

/** What came of a race between a client and a publisher. */
export interface RpmsRace {
  readonly installed: number;
  readonly published: number;
  /** What dnf said, each time that it failed. */
  readonly failures: readonly string[];
}

/**
 * Has dnf install a package in a fresh root, again and again, while packages beside it are added, removed, replaced by signed ones and
 * retired; ends when it was installed that often, however slow the machine is.
 */
export async function raceWithDnf(material: RpmsMaterial, times: number): Promise<RpmsRace> {
  const { signed, unsigned, publicKey } = material;
  const { publish, retire, settle, url } = await rpmsWorld(material);
  const dir = temporaryFolder();
  const key = join(dir, 'key.asc');
  await writeFile(key, armoredKey(publicKey));
  await publish(pick(signed, 0));
  let [installed, published, ended] = [0, 0, false];
  const failures: string[] = [];
  const client = async (): Promise<void> => {
    while (!ended) {
      const work = join(dir, 'client');
      await mkdir(work);
      const { code, words } = await dnfInstall(work, { url, key }, 'aa-model-00000');
      if (code === 0) installed += 1;
      else failures.push(words);
      await rm(work, { recursive: true });
    }
  };
  const lists = [
    signed,
    pick(signed, 0, 2),
    [...pick(signed, 0), ...pick(unsigned, 1, 2)],
    [...pick(signed, 0, 1, 2), ...pick(unsigned, 4)],
    pick(signed, 0),
  ];
  const running = client();
  try {
    for (let day = 1; installed + failures.length < times; day += 1) {
      await publish(lists[day % lists.length] ?? [], { day, bridge: true });
      await retire(day);
      published += 1;
      // Whoever was between repomd.xml and its signature has ended by then.
      const before = installed + failures.length;
      await until(() => installed + failures.length > before);
      await settle();
    }
  } finally {
    ended = true;
    await running;
  }
  return { installed, published, failures };
}
