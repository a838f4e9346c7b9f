import { expect, it } from 'vitest';
import { parseProbe } from '../../src/builders/probe-report.ts';
import { parseCommitment, parseJobState } from '../../src/rebuild/far-job.ts';
import { fuzz, mutatedText } from '../support/fuzz.ts';

const DIGEST = 'a'.repeat(64);

const PROBE = `link /bin usr/bin
file ${DIGEST}  /usr/bin/sh
stat 81ed 0 0 /usr/bin/sh
to /usr/bin/awk -> mawk
exe 1 ${DIGEST} /usr/bin/sh
tracer 1 0
map 1 /usr/bin/sh
kernel 6.1.0 #1
cmdline quiet
tainted 0
module zfs POE
mount 1 0 8:1 / / rw - ext4 /dev/vda rw
text /sys/kernel/security/lsm lockdown
end
`;

it('a report of a machine is read or refused', () => {
  fuzz(mutatedText([PROBE]), (report) => parseProbe(report, 'alpha'));
});

it('what a machine says of a job is read or refused', () => {
  fuzz(mutatedText(['run 12 4096', '0 5 6']), (line) => parseJobState(line, 'alpha'));
  fuzz(mutatedText([`${DIGEST} 12 a-1-1.noarch.rpm\n.\nAAAA\n`]), (answer) => parseCommitment(answer, 'alpha'), {
    check: ({ packages }) => expect(packages.every(({ file }) => /^[\w.+~^-]+\.rpm$/.test(file))).toBe(true),
  });
});
