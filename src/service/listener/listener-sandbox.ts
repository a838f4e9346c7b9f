import { dirname, extname, join } from 'node:path';
import { codeFile, PROJECT } from '../../base/shipped.ts';
import type { Config } from '../../config/config.ts';
import { servedAt } from '../../config/serve-target.ts';
import { servedTargets } from '../../config/served-targets.ts';
import { bwrap, hostPrograms, type Mount } from '../../programs/bwrap.ts';
import { setpriv } from '../../programs/setpriv.ts';
import type { SystemUser } from '../../programs/users.ts';

/** What `setpriv` needs to become somebody else; nothing of it is left afterwards. */
const TO_CHANGE_USER = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP'] as const;
/** Ports below are for root, or for this capability alone. */
const FIRST_FREE_PORT = 1024;

/** What name resolution and TLS read. Nothing else of /etc. */
const ETC = [
  ...['resolv.conf', 'hosts', 'host.conf', 'nsswitch.conf', 'gai.conf', 'localtime'],
  ...['ssl/openssl.cnf', 'ssl/certs', 'pki/tls/certs', 'pki/tls/openssl.cnf', 'pki/ca-trust/extracted'],
  'crypto-policies',
];
/** What of the package is needed; the package's folder itself may be closed to others. */
const PACKAGE = ['package.json', 'dist', 'src', 'node_modules', 'page-templates'];

/**
 * argv of the listening process: a user's without rights, that sees the host's programs, this program, the work folder,
 * the folders of targets that it serves, and the network. All of it is read-only, and there is no /tmp; neither the configuration nor a key or password is in sight,
 * whatever the modes of their files are (I15).
 */
export function listenerCommand(config: Config, user: SystemUser): string[] {
  const { work, service } = config;
  const targets = servedTargets(config);
  const ports = [
    service.listen.port,
    ...(service.mqtt?.type === 'embedded' ? [service.mqtt.listen.port] : []),
    ...targets.map((target) => servedAt(target)?.port ?? 0),
  ];
  const published = targets.map(({ path }) => path);
  const low = ports.some((port) => port > 0 && port < FIRST_FREE_PORT) ? ['CAP_NET_BIND_SERVICE'] : [];
  const script = codeFile(`service/listener/listener-main${extname(import.meta.url)}`);
  const { TZ: zone } = process.env;
  const own = [
    ...ETC.map((name) => `/etc/${name}`),
    ...(process.execPath.startsWith('/usr/') ? [] : [process.execPath]),
    ...packageFolders(),
  ];
  return bwrap(setpriv([process.execPath, ...process.execArgv, script], user, low), {
    mounts: [
      ...foldersAbove([...own, work, ...published]),
      ...hostPrograms(),
      { kind: 'proc', at: '/proc' },
      { kind: 'dev', at: '/dev' },
      ...own.map((path) => ({ kind: 'readonly-if-there', from: path, at: path }) as const),
      { kind: 'readonly', from: work, at: work },
      ...published.map((path) => ({ kind: 'readonly', from: path, at: path }) as const),
      { kind: 'then-readonly', at: '/' },
    ],
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      ...(zone === undefined ? {} : { TZ: zone }),
    },
    network: true,
    capabilities: [...TO_CHANGE_USER, ...low],
  });
}

/** Makes the folders above paths, open to all: bubblewrap would make them root's alone. Those on the host may be closed. */
function foldersAbove(paths: readonly string[]): Mount[] {
  const folders = new Set<string>();
  for (const path of paths) for (let at = dirname(path); at !== '/'; at = dirname(at)) folders.add(at);
  return [...folders]
    .filter((at) => at !== '/usr' && !at.startsWith('/usr/'))
    .sort()
    .map((at) => ({ kind: 'folder', at }));
}

function packageFolders(): string[] {
  const own = PACKAGE.map((name) => join(PROJECT, name));
  // As a dependency of something else, what it needs itself may lie beside it.
  const around = /^.*?\/node_modules(?=\/)/.exec(PROJECT)?.[0];
  return around === undefined ? own : [around];
}
