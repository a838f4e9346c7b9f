import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Deployment, parseAdminStatus } from '../../src/programs/ostree-admin.ts';

test('a booted, a pending and a rollback deployment, as ostree 2022.7 prints them', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((digit) => digit.repeat(64));
  const text = `  lab ${b}.0 (pending)
    Version: 20261121_01
    origin refspec: lab-atomic:lab-atomic-host/12/x86_64/devel/continuous
* lab ${a}.0
    Version: 20261120_01
    origin refspec: lab-atomic:lab-atomic-host/12/x86_64/devel/continuous
  lab ${c}.2 (rollback)
    Pinned: yes
    origin: <unknown origin type>
`;
  const origin = 'lab-atomic:lab-atomic-host/12/x86_64/devel/continuous';
  expect(parseAdminStatus(text)).toEqual([
    { booted: false, osName: 'lab', commit: b, serial: 0, marks: ['pending'], version: '20261121_01', origin },
    { booted: true, osName: 'lab', commit: a, serial: 0, marks: [], version: '20261120_01', origin },
    { booted: false, osName: 'lab', commit: c, serial: 2, marks: ['rollback'] },
  ]);
});

test('no deployments, and text that is none of its business', () => {
  expect(parseAdminStatus('')).toEqual([]);
  expect(parseAdminStatus('No deployments.\n')).toEqual([]);
});

const deployment: fc.Arbitrary<Deployment> = fc
  .record({
    booted: fc.boolean(),
    osName: fc.stringMatching(/^[a-z0-9-]{1,12}$/),
    commit: fc.stringMatching(/^[0-9a-f]{64}$/),
    serial: fc.nat(99),
    marks: fc.subarray(['pending', 'rollback', 'staged']),
    version: fc.option(fc.stringMatching(/^\d{8}_\d\d$/), { nil: undefined }),
    origin: fc.option(fc.stringMatching(/^[a-z]+:[a-z0-9/]{1,20}$/), { nil: undefined }),
  })
  .map(({ version, origin, ...rest }) => ({
    ...rest,
    ...(version === undefined ? {} : { version }),
    ...(origin === undefined ? {} : { origin }),
  }));

test('whatever is printed in that form is read back in the same order', () => {
  fc.assert(
    fc.property(fc.array(deployment), (deployments) => {
      const text = deployments
        .map(({ booted, osName, commit, serial, marks, version, origin }) =>
          [
            `${booted ? '*' : ' '} ${osName} ${commit}.${serial}${marks.map((mark) => ` (${mark})`).join('')}`,
            ...(version === undefined ? [] : [`    Version: ${version}`]),
            ...(origin === undefined ? [] : [`    origin refspec: ${origin}`]),
          ].join('\n'),
        )
        .join('\n');
      expect(parseAdminStatus(text)).toEqual(deployments);
    }),
  );
});
