import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../src/programs/exec.ts';
import type { MiniFile, MiniRecipe } from './mini-rpm.ts';

/** Debian's policy, as installed here by selinux-policy-default. */
const STORE = '/var/lib/selinux/default';
const CONFIG = '/etc/selinux';

/** The part of its modules that compiles without the others, in a quarter of the time that all take. */
const MODULES =
  'auditadm base chronyd clock cron daemontools getty gpg hostname inetd ipsec iptables kerberos logadm logrotate ' +
  'lvm mandb mta netutils nis nscd ntp policykit quota raid rsync samhain secadm setrans ssh sssd staff su sudo ' +
  'unconfined unprivuser xdg xen xserver';

const dir = (path: string, mode = '0755'): MiniFile => ({ path, dir: true, mode });

/** policycoreutils and what it needs: this machine's own programs and libraries. */
async function policyTools(): Promise<MiniRecipe> {
  const programs = ['semodule', 'setsebool', 'setfiles', 'matchpathcon', 'sefcontext_compile'];
  const paths = [...programs.map((name) => `/usr/sbin/${name}`), '/usr/libexec/selinux/hll/pp'];
  const { stdout } = await run('ldd', [...paths, '/usr/bin/bash']);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path.replace(/^\/lib/, '/usr/lib'));
  return {
    name: 'policycoreutils',
    version: '3.4',
    release: '1',
    arch: 'x86_64',
    requires: ['busybox'],
    files: [...paths, ...new Set(libraries)].map((path) => ({ path, from: path, mode: '0755' })),
  };
}

/** The policy with its modules below /var and compiled in %post, as Fedora's selinux-policy-targeted has it. */
function policy(): MiniRecipe {
  const modules = MODULES.split(' ').flatMap((name): MiniFile[] => {
    const folder = join(STORE, 'active/modules/100', name);
    return [
      dir(folder, '0700'),
      ...readdirSync(folder).map((file): MiniFile => {
        const path = join(folder, file);
        return { path, from: path, mode: '0600' };
      }),
    ];
  });
  const contexts = readdirSync(join(CONFIG, 'default/contexts'), { recursive: true, encoding: 'utf8' })
    .filter((name) => !/^files\/file_contexts(?!\.subs_dist)/.test(name))
    .map((name) => join(CONFIG, 'default/contexts', name))
    .map((path): MiniFile => (statSync(path).isDirectory() ? dir(path) : { path, from: path }));
  return {
    name: 'selinux-policy-default',
    version: '2.20221101',
    release: '9',
    requires: ['policycoreutils', 'setup'],
    files: [
      ...['', '/default', '/default/policy', '/default/contexts'].map((name) => dir(`${CONFIG}${name}`)),
      { path: `${CONFIG}/config`, text: 'SELINUX=enforcing\nSELINUXTYPE=default\n', config: true },
      { path: `${CONFIG}/semanage.conf`, text: readFileSync(`${CONFIG}/semanage.conf`, 'utf8'), config: true },
      ...contexts,
      dir('/var/lib/selinux'),
      ...['', '/active', '/active/modules', '/active/modules/100', '/active/modules/disabled'].map((name) =>
        dir(`${STORE}${name}`, '0700'),
      ),
      ...modules,
    ],
    post: 'semodule --noreload --build --store default',
  };
}

/** A service's own module, installed by its script as container-selinux and the like do. */
const ownModule: MiniRecipe = {
  name: 'mini-selinux',
  version: '1',
  release: '1',
  requires: ['selinux-policy-default'],
  files: [
    {
      path: '/usr/share/selinux/packages/mini.cil',
      text: [
        '(type mini_exec_t)',
        '(roletype object_r mini_exec_t)',
        '(typeattributeset file_type (mini_exec_t))',
        '(filecon "/usr/bin/app" file (system_u object_r mini_exec_t ((s0) (s0))))',
        '(boolean mini_allowed false)',
        '',
      ].join('\n'),
    },
  ],
  post: 'semodule --noreload --store default --priority 200 --install /usr/share/selinux/packages/mini.cil',
};

/** Packages that give a mini distribution an SELinux policy: tools, policy, and a module installed by a script. */
export async function selinuxRecipes(): Promise<readonly MiniRecipe[]> {
  return [await policyTools(), policy(), ownModule];
}
