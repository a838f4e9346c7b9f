import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quietTask } from '../../src/base/task.ts';
import { rpmSign } from '../../src/programs/rpmbuild.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { signRpms } from '../../src/signing/sign-rpms.ts';
import { makeBenchKey } from '../support/bench-key.ts';
import { buildMiniRpm } from '../support/mini-rpm.ts';
import { median } from '../support/statistics.ts';

/**
 * Signs the same RPMs (RSA, 4,096 bits) in this process, on all cores, and with one "rpmsign --addsign", in turns, and prints both and
 * their ratio. BENCH_RPMS=N takes another number of packages.
 */
const [RPMS, ROUNDS] = [Number(process.env['BENCH_RPMS'] ?? 100), 3];

const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-bench-'));
const task = quietTask();
const key = await makeBenchKey(dir);
try {
  const signer = openSigner({ type: 'openpgp', keyFile: key.keyFile });
  const files = [{ path: '/usr/share/signed/file', text: 'x'.repeat(20_000) }];
  const rpm = await buildMiniRpm({ name: 'signed', version: '1.0', release: '1', files });

  const times: Record<'here' | 'rpmsign', number[]> = { here: [], rpmsign: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const who of ['here', 'rpmsign'] as const) {
      const rpms = Array.from({ length: RPMS }, (_, index) => join(dir, `${who}-${index}.rpm`));
      for (const path of rpms) await copyFile(rpm, path);
      const begun = performance.now();
      if (who === 'here') {
        await signRpms(
          rpms.map((file) => ({ file, out: `${file}.signed` })),
          signer,
          task,
        );
      } else await rpmSign(rpms, { gnupgHome: key.home, name: key.name, home: dir }, task);
      times[who].push((performance.now() - begun) / 1000);
    }
  }
  const [here, rpmsign] = [median(times.here), median(times.rpmsign)];
  console.log(`${RPMS} RPMs, ${ROUNDS} rounds, medians`);
  console.log(`in this process ${here.toFixed(2)} s, rpmsign --addsign ${rpmsign.toFixed(2)} s`);
  console.log(`${(rpmsign / here).toFixed(1)} times faster (target: at least 8)`);
} finally {
  await key.stop();
  await rm(dir, { recursive: true, force: true });
}
