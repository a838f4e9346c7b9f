import { rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { everyCase } from '../../support/every-case.ts';
import { MINI_TREEFILE, type MiniDistro, makeMiniDistro } from '../../support/mini-distro.ts';
import type { MiniRecipe } from '../../support/mini-rpm.ts';
import { composeMini, makePlace, ostree, type Place } from './support.ts';

let place: Place;
let distro: MiniDistro;
const cat = (commit: string, path: string) => ostree('cat', `--repo=${place.repo}`, commit, path);
const accounts = async (commit: string) =>
  Object.fromEntries(
    await Promise.all(
      ['passwd', 'group', 'shadow', 'gshadow'].map(
        async (name) => [name, await cat(commit, `/usr/etc/${name}`)] as const,
      ),
    ),
  );
const packages = (...more: readonly string[]) => [...(MINI_TREEFILE['packages'] as string[]), ...more];

/** A package whose %pre makes a user as `lines` say, "if absent". */
const maker = (name: string, pre: string, version = '1'): MiniRecipe => ({
  name,
  version,
  release: '1',
  requires: ['setup', 'busybox'],
  pre,
  files: [{ path: `/usr/share/${name}`, text: `${name}\n` }],
});

beforeEach(async () => {
  place = await makePlace();
  distro = await makeMiniDistro(join(place.dir, 'distro'));
});
afterEach(() => rmSync(place.dir, { recursive: true, force: true }));

describe('state survives from night to night (I10)', () => {
  const whole = (name: string, id: number) =>
    [
      `if ! grep -q ^${name}: /etc/passwd; then`,
      `echo ${name}:x:${id}:${id}::/var/lib/${name}:/sbin/nologin >> /etc/passwd`,
      `echo ${name}:x:${id}: >> /etc/group`,
      `echo '${name}:!:20000::::::' >> /etc/shadow`,
      `echo '${name}:!::' >> /etc/gshadow`,
      `sed -i '/^wheel:/s/$/${name}/' /etc/group`,
      `mkdir -p /var/lib/${name}; chmod 0700 /var/lib/${name}`,
      'fi',
    ].join('\n');

  it('a user that a script makes with all its lines "if absent" has them on every night', async () => {
    await distro.publish(maker('keeper', whole('keeper', 888)));
    await distro.writeTreefile({ packages: packages('keeper') });
    const first = await composeMini(distro, place);
    expect(await accounts(first.commit)).toMatchObject({
      shadow: expect.stringContaining('keeper:!:20000::::::'),
      gshadow: expect.stringContaining('keeper:!::'),
      group: expect.stringContaining('wheel:x:10:keeper'),
    });
    let parent = first.commit;
    for (const version of ['20261122_01', '20261123_01']) {
      const next = await composeMini(distro, place, { parent, version });
      expect(next.contentChecksum).toBe(first.contentChecksum);
      parent = next.commit;
    }
  });

  it('a user whose id would move keeps it, with all its lines, groups and folders, from then on', async () => {
    // Takes the next free number, as useradd does.
    const next = 'n=$(sort -t: -k3n /etc/passwd | cut -d: -f3 | tail -n 2 | head -n 1); n=$((n + 1))';
    const dynamic = (name: string) => `${next}\n${whole(name, 7).replaceAll(':7', ':$n')}`;
    await distro.publish(maker('late', dynamic('late')));
    await distro.writeTreefile({ packages: packages('late') });
    const first = await composeMini(distro, place);
    const before = await accounts(first.commit);
    const line = /^late:.*$/m.exec(before['passwd'] ?? '')?.[0];
    expect(line).toBeDefined();
    // Installed before the other, it takes its number.
    await distro.publish(maker('early', dynamic('early')));
    await distro.bump('late', { requires: ['setup', 'busybox', 'early'] });
    await distro.writeTreefile({ packages: packages('late', 'early') });
    const second = await composeMini(distro, place, { parent: first.commit });
    const after = await accounts(second.commit);
    expect(after['passwd']).toContain(line);
    expect(after['passwd']).toMatch(/^early:/m);
    expect(after['shadow']).toContain('late:!:20000::::::');
    expect(after['gshadow']).toContain('late:!::');
    expect(/^wheel:x:10:(.*)$/m.exec(after['group'] ?? '')?.[1]).toContain('late');
    // Only one night needs two installs.
    const again = () => place.task.lines.filter((text) => text.includes('installing again')).length;
    expect(again()).toBe(1);
    const third = await composeMini(distro, place, { parent: second.commit });
    expect(third.contentChecksum).toBe(second.contentChecksum);
    expect(again()).toBe(1);
  });

  it.runIf(everyCase)('a user whose package has gone stays, with its lines', async () => {
    await distro.publish(maker('goner', whole('goner', 888)));
    await distro.writeTreefile({ packages: packages('goner') });
    const first = await composeMini(distro, place);
    await distro.writeTreefile();
    const second = await composeMini(distro, place, { parent: first.commit });
    const third = await composeMini(distro, place, { parent: second.commit });
    expect(await accounts(second.commit)).toMatchObject({
      passwd: expect.stringContaining('goner:x:888:888:'),
      shadow: expect.stringContaining('goner:!:20000::::::'),
      gshadow: expect.stringContaining('goner:!::'),
    });
    expect(third.contentChecksum).toBe(second.contentChecksum);
  });

  it.runIf(everyCase)(
    'a user keeps its subordinate ids when a newcomer would have got them, in a file that no package has',
    async () => {
      // As useradd does: the next range that is free.
      const range = (name: string, id: number) =>
        [
          whole(name, id),
          `if ! grep -q ^${name}: /etc/subuid 2>/dev/null; then`,
          'n=$(cat /etc/subuid 2>/dev/null | wc -l)',
          `echo ${name}:$((100000 + n * 65536)):65536 >> /etc/subuid`,
          `echo ${id}:$((100000 + n * 65536)):65536 >> /etc/subgid`,
          'fi',
        ].join('\n');
      await distro.publish(maker('ranger', range('ranger', 888)));
      await distro.writeTreefile({ packages: packages('ranger') });
      const first = await composeMini(distro, place);
      expect(await cat(first.commit, '/usr/etc/subuid')).toBe('ranger:100000:65536\n');
      await distro.publish(maker('early', range('early', 887)));
      await distro.bump('ranger', { requires: ['setup', 'busybox', 'early'] });
      await distro.writeTreefile({ packages: packages('early', 'ranger') });
      let parent = first.commit;
      for (const night of [2, 3]) {
        ({ commit: parent } = await composeMini(distro, place, { parent, version: `2026112${night}_01` }));
        const lines = (await cat(parent, '/usr/etc/subuid')).split('\n').sort();
        expect(lines, `night ${night}`).toEqual(['', 'early:165536:65536', 'ranger:100000:65536']);
        expect((await cat(parent, '/usr/etc/subgid')).split('\n')).toContain('888:100000:65536');
        expect((await cat(parent, '/usr/etc/shadow')).split('\n')).toContain('ranger:!:20000::::::');
      }
    },
  );

  it('the same packages give the same tree on the first and on later nights, however scripts make users', async () => {
    const file = fc.constantFrom('passwd', 'group', 'shadow', 'gshadow');
    const user = fc.record({
      id: fc.integer({ min: 100, max: 899 }),
      guard: fc.constantFrom('each', 'passwd', 'group', 'shadow'),
      files: fc.uniqueArray(file, { minLength: 1 }),
      home: fc.boolean(),
      member: fc.boolean(),
      leftover: fc.constantFrom('group.lock', 'passwd.4', 'shadow-', 'gshadow+', '.pwd.lock', undefined),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(user, { minLength: 1, maxLength: 3, selector: ({ id }) => id }),
        async (users) => {
          const recipes = users.map(({ id, guard, files, home, member, leftover }) => {
            const name = `u${id}`;
            const lines: Record<string, string> = {
              passwd: `${name}:x:${id}:${id}::/:/bin/sh`,
              group: `${name}:x:${id}:`,
              shadow: `${name}:!:20000::::::`,
              gshadow: `${name}:!::`,
            };
            const absent = (which: string) => `if ! grep -q ^${name}: /etc/${which}; then`;
            const adds = files.map((which) =>
              guard === 'each'
                ? `${absent(which)} echo '${lines[which]}' >> /etc/${which}; fi`
                : `echo '${lines[which]}' >> /etc/${which}`,
            );
            const more = [
              ...(home ? [`mkdir -p /var/lib/${name}`] : []),
              ...(member ? [`sed -i '/^wheel:/s/$/,${name}/' /etc/group`] : []),
              ...(leftover ? [`echo $$ > /etc/${leftover}`] : []),
            ];
            const body = guard === 'each' ? [...adds, ...more] : [absent(guard), ...adds, ...more, 'fi'];
            return maker(
              `make-${name}`,
              body.join('\n'),
              String(fc.hash(JSON.stringify([guard, files, home, member]))).replace('-', ''),
            );
          });
          await distro.publish(...recipes);
          await distro.writeTreefile({ packages: packages(...recipes.map(({ name }) => name)) });
          const first = await composeMini(distro, place);
          const second = await composeMini(distro, place, { parent: first.commit });
          expect(second.contentChecksum).toBe(first.contentChecksum);
          expect(await ostree('ls', `--repo=${place.repo}`, first.commit, '/usr/etc')).not.toMatch(
            /\.lock|\.4|shadow-|\+/,
          );
        },
      ),
      { numRuns: 3 },
    );
  });
});

it('lockfiles and backups that tools leave beside the account files are not in the commit', async () => {
  const names = [
    'group.lock',
    'passwd.4',
    'passwd-',
    'gshadow-',
    'subuid-',
    'shadow+',
    '.pwd.lock',
    '.#passwdXa3b',
    'shadow.31337',
    'default/useradd-',
    'security/nopasswd',
  ];
  await distro.publish(
    maker(
      'litter',
      ['mkdir -p /etc/default /etc/security', ...names.map((name) => `echo $$ > '/etc/${name}'`)].join('\n'),
    ),
  );
  // What looks alike, but is a package's own.
  await distro.bump('litter', {
    files: [
      { path: '/etc/passwd.conf', text: 'x\n' },
      { path: '/etc/group-map', text: 'x\n' },
      { path: '/etc/security/opasswd', text: '' },
      { path: '/etc/x.conf.rpmsave', text: 'x\n' },
    ],
  });
  await distro.writeTreefile({ packages: packages('litter'), postprocess: ['#!/bin/sh\necho $$ > /etc/group.lock\n'] });
  const { commit } = await composeMini(distro, place);
  const inEtc = (await ostree('ls', `--repo=${place.repo}`, '-R', commit, '/usr/etc'))
    .split('\n')
    .map((line) => line.split(' /usr/etc/').at(-1));
  for (const name of names) expect(inEtc).not.toContain(name);
  expect(inEtc).toEqual(
    expect.arrayContaining(['passwd.conf', 'group-map', 'security/opasswd', 'x.conf.rpmsave', 'passwd', 'shadow']),
  );
});
