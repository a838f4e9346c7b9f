import { plainShellWord, shellWord } from '../base/quoting.ts';
import type { PackageExtras, PackageUser } from './lab-packages.ts';

/** What an RPM runs when it is installed, and which packages have to be there by then. */
export interface RpmScripts {
  readonly pre: readonly string[];
  readonly post: readonly string[];
  readonly preun: readonly string[];
  /** Run once, at the end of a transaction that put files below one of the folders. */
  readonly fileTriggers: readonly { readonly folders: readonly string[]; readonly body: string }[];
  readonly requiresPre: readonly string[];
  readonly requiresPost: readonly string[];
  /** Installed earlier if they are installed at all. */
  readonly orderAfter: readonly string[];
}

export const NO_SCRIPTS: RpmScripts = {
  pre: [],
  post: [],
  preun: [],
  fileTriggers: [],
  requiresPre: [],
  requiresPost: [],
  orderAfter: [],
};

/** The capability that the package with the distribution's presets provides. */
const PRESETS = 'system-release';

/**
 * Returns the scripts of a package as Fedora's macros write them (systemd.macros, its packaging guidelines for users and
 * alternatives): accounts before its files are there, units by presets after, links among alternatives. What a Debian
 * maintainer script does besides is either done when the RPM is made or of use on Debian only.
 * @param postinst the maintainer script `postinst` of the .deb, which names its units; empty when there is none.
 */
export function rpmScripts(postinst: string, extras: PackageExtras): RpmScripts {
  const { groups = [], users = [], alternatives = [], fileTriggers = [], post = [] } = extras;
  const units = [...unitsOf(postinst), ...(extras.units ?? [])];
  return {
    pre: [...groups.map(([name, id]) => addGroup(name, id)), ...users.map(addUser)],
    post: [
      ...presetUnits(units),
      ...alternatives.map(({ install }) => `update-alternatives --install ${install}`),
      ...post,
    ],
    preun: [
      ...disableUnits(units),
      ...alternatives.map(({ remove }) => removed(`update-alternatives --remove ${remove}`)),
    ],
    fileTriggers,
    requiresPre: [
      ...(groups.length + users.length > 0 ? ['passwd', 'libc-bin'] : []),
      // Has the shell that useradd looks for.
      ...(users.length > 0 ? ['login'] : []),
    ],
    requiresPost: [...(alternatives.length > 0 ? ['alternatives'] : []), ...(extras.postNeeds ?? [])],
    // Not a requirement, as %systemd_ordering has it: systemd itself needs packages that have units.
    orderAfter: units.length > 0 ? ['systemd', PRESETS] : [],
  };
}

/** Units that debhelper's part of a maintainer script enables, each once, in its order. */
function unitsOf(postinst: string): readonly string[] {
  const found = [...postinst.matchAll(/deb-systemd-helper enable '([^']+)'/g)].map(([, unit = '']) => unit);
  return [...new Set(found)];
}

const presetUnits = (units: readonly string[]): readonly string[] =>
  units.length === 0
    ? []
    : [`if [ $1 -eq 1 ] && [ -x /usr/bin/systemctl ]; then systemctl --no-reload preset ${words(units)} || :; fi`];

const disableUnits = (units: readonly string[]): readonly string[] =>
  units.length === 0 ? [] : [removed(`systemctl --no-reload disable --now ${words(units)} || :`)];

/** Names of units may have backslashes (systemd-escape(1)). */
const words = (units: readonly string[]): string => units.map(plainShellWord).join(' ');

const removed = (command: string): string => `if [ $1 -eq 0 ]; then ${command}; fi`;

const addGroup = (name: string, id: number): string =>
  `getent group ${name} >/dev/null || groupadd -r -g ${id} ${name}`;

const addUser = ({ name, id, group, home, comment }: PackageUser): string =>
  `getent passwd ${name} >/dev/null || useradd -r -u ${id} -g ${group} -d ${home} -s /usr/sbin/nologin -c ${shellWord(comment)} ${name}`;
