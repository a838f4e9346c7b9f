import type { MiniFile, MiniRecipe } from './mini-rpm.ts';

/** Version of the mini distribution's kernel, as in /usr/lib/modules. */
export const MINI_KVER = '6.0.0-1';

const dir = (path: string, mode = '0755'): MiniFile => ({ path, dir: true, mode });
const link = (path: string, target: string): MiniFile => ({ path, link: target });
const text = (path: string, content: string, mode = '0644'): MiniFile => ({ path, text: content, mode });

const filesystem: MiniRecipe = {
  name: 'filesystem',
  version: '1',
  release: '1',
  files: [
    ...['/boot', '/dev', '/etc', '/home', '/media', '/mnt', '/opt', '/proc', '/run', '/srv', '/sys', '/var'].map(
      (path) => dir(path),
    ),
    dir('/root', '0700'),
    dir('/tmp', '1777'),
    link('/bin', 'usr/bin'),
    link('/sbin', 'usr/sbin'),
    link('/lib', 'usr/lib'),
    link('/lib64', 'usr/lib64'),
    ...['bin', 'sbin', 'lib', 'lib64', 'share', 'local', 'local/bin', 'local/share'].map((name) => dir(`/usr/${name}`)),
    ...['tmpfiles.d', 'systemd', 'systemd/system', 'systemd/system-preset', 'ostree-boot'].map((name) =>
      dir(`/usr/lib/${name}`),
    ),
    ...['cache', 'lib', 'log', 'spool'].map((name) => dir(`/var/${name}`)),
    dir('/var/tmp', '1777'),
    link('/var/run', '../run'),
  ],
};

const setup: MiniRecipe = {
  name: 'setup',
  version: '1',
  release: '1',
  requires: ['filesystem'],
  files: [
    {
      ...text(
        '/etc/passwd',
        'root:x:0:0:root:/root:/bin/sh\nbin:x:1:1:bin:/bin:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n',
      ),
      config: true,
    },
    { ...text('/etc/group', 'root:x:0:\nbin:x:1:\nwheel:x:10:\nnobody:x:65534:\n'), config: true },
    { ...text('/etc/shadow', 'root:!locked::0:99999:7:::\nbin:*::0:99999:7:::\n', '0000'), config: true },
    { ...text('/etc/gshadow', 'root:::\nbin:::\nwheel:::\n', '0000'), config: true },
    { ...text('/etc/nsswitch.conf', 'passwd: files systemd\ngroup: files systemd\nhosts: files dns\n'), config: true },
    { ...text('/etc/hosts', '127.0.0.1 localhost\n'), config: true },
  ],
};

const APPLETS =
  'ash awk basename cat chgrp chmod chown cp cpio cut date dd dirname echo egrep env expr false find grep gzip head id ln ls mkdir mktemp mv printf pwd readlink realpath rm rmdir sed seq sh sha256sum sleep sort stat tail tar test touch tr true uname uniq wc xargs zcat';

const busybox: MiniRecipe = {
  name: 'busybox',
  version: '1.35',
  release: '1',
  arch: 'x86_64',
  requires: ['filesystem'],
  provides: ['/bin/sh', '/usr/bin/sh'],
  files: [
    { path: '/usr/bin/busybox', from: '/bin/busybox', mode: '0755' },
    ...APPLETS.split(' ').map((name) => link(`/usr/bin/${name}`, 'busybox')),
  ],
};

const release: MiniRecipe = {
  name: 'mini-release',
  version: '1',
  release: '1',
  requires: ['filesystem'],
  files: [
    text(
      '/usr/lib/os-release',
      'NAME="Mini"\nVERSION="1 (Test)"\nID=mini\nVERSION_ID=1\nPRETTY_NAME="Mini 1 (Test)"\n',
    ),
    link('/etc/os-release', '../usr/lib/os-release'),
  ],
};

/** A kernel package; another version gives another /usr/lib/modules folder. */
export function miniKernel(version = '6.0.0', release = '1'): MiniRecipe {
  const modules = `/usr/lib/modules/${version}-${release}`;
  return {
    name: 'kernel',
    version,
    release,
    arch: 'x86_64',
    requires: ['filesystem'],
    files: [
      dir(modules),
      text(`${modules}/vmlinuz`, `not really a kernel ${version}-${release}\n`, '0755'),
      ...['modules.order', 'modules.builtin', 'modules.builtin.modinfo'].map((name) => text(`${modules}/${name}`, '')),
    ],
  };
}

/**
 * A stand-in for dracut that behaves like it in what matters here: it reads its own modules and whatever they name from
 * the tree, and writes the same image for the same files.
 */
const DRACUT = `#!/bin/sh
set -e
kver= out=
while [ $# -gt 0 ]; do
  case "$1" in
    --kver) kver=$2; shift 2 ;;
    --tmpdir|--add|--compress) shift 2 ;;
    -*) shift ;;
    *) out=$1; shift ;;
  esac
done
{
  for list in /usr/lib/dracut/modules.d/*; do
    while read -r file; do
      [ -e "$file" ] || continue
      echo "$file"
      cat "$file"
    done < "$list"
  done
  cat "/usr/lib/modules/$kver/modules.order"
  if command -v plymouth >/dev/null; then echo plymouth; fi
  if [ -e /etc/dracut.conf ]; then cat /etc/dracut.conf; fi
} > "$out.part"
mv "$out.part" "$out"
echo "dracut: wrote $out"
`;

const dracut: MiniRecipe = {
  name: 'dracut',
  version: '59',
  release: '1',
  requires: ['busybox', 'lib'],
  files: [
    text('/usr/bin/dracut', DRACUT, '0755'),
    dir('/usr/lib/dracut/modules.d'),
    text('/usr/lib/dracut/modules.d/base', '/usr/bin/busybox\n/usr/lib/libmini.so\n/usr/lib/os-release\n'),
  ],
};

const lib: MiniRecipe = {
  name: 'lib',
  version: '1.0',
  release: '1',
  requires: ['filesystem'],
  files: [text('/usr/lib/libmini.so', 'library 1.0\n', '0755')],
};

const app: MiniRecipe = {
  name: 'app',
  epoch: 1,
  version: '2.0',
  release: '1',
  requires: ['lib', 'busybox'],
  files: [
    text('/usr/bin/app', '#!/bin/sh\necho app\n', '0755'),
    dir('/usr/share/app'),
    text('/usr/share/app/data', 'data of app\n'),
    text('/usr/share/doc/app/README', 'documentation of app\n'),
  ],
};

/** A service with a user of its own, made by its %pre as RPMs do it. */
const svc: MiniRecipe = {
  name: 'svc',
  version: '1.0',
  release: '1',
  requires: ['setup', 'busybox'],
  pre: [
    'grep -q ^svc: /etc/group || echo svc:x:990: >> /etc/group',
    'grep -q ^svc: /etc/shadow || echo "svc:!:$((SOURCE_DATE_EPOCH / 86400))::::::" >> /etc/shadow',
    'grep -q ^svc: /etc/passwd || echo svc:x:990:990:svc:/var/lib/svc:/sbin/nologin >> /etc/passwd',
  ].join('\n'),
  files: [
    text(
      '/usr/lib/systemd/system/svc.service',
      '[Service]\nExecStart=/usr/bin/true\n[Install]\nWantedBy=multi-user.target\n',
    ),
    { path: '/var/lib/svc', dir: true, mode: '0750', owner: 'svc', group: 'svc' },
    { path: '/var/log/svc', dir: true, mode: '0755', owner: 'svc', group: 'svc' },
    link('/var/lib/svc-current', 'svc'),
    { ...text('/etc/svc.conf', 'color=blue\n'), config: true },
  ],
};

const suid: MiniRecipe = {
  name: 'suid',
  version: '1.0',
  release: '1',
  requires: ['filesystem'],
  files: [text('/usr/bin/suid', '#!/bin/sh\n', '4755')],
};

const capable: MiniRecipe = {
  name: 'capable',
  version: '1.0',
  release: '1',
  arch: 'x86_64',
  requires: ['filesystem'],
  files: [{ path: '/usr/bin/capable', text: 'capable\n', mode: '0755', caps: 'cap_net_raw=ep' }],
};

/** Everything the mini distribution starts with. */
export const BASE_RECIPES: readonly MiniRecipe[] = [
  filesystem,
  setup,
  busybox,
  release,
  miniKernel(),
  dracut,
  lib,
  app,
  svc,
  suid,
  capable,
];
