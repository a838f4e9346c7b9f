import { grubWord } from '../../base/quoting.ts';
import { renderTemplate } from '../template/render-template.ts';

export interface Menu {
  /** What is installed: `Lab Atomic Host 20260921_01`. */
  readonly title: string;
  readonly volumeId: string;
  /** Kernel arguments of the installed system; the installer uses the same consoles. */
  readonly kernelArguments: readonly string[];
  /** How long the menu waits for a key. */
  readonly menuSeconds: number;
}

/**
 * Returns the medium's grub.cfg. The installer speaks on the last console of its kernel command line and shows what it
 * does on all: where the host is to have a serial one, there are entries for a dialogue there.
 */
export async function mediumMenu(menu: Menu): Promise<string> {
  const consoles = menu.kernelArguments.filter((argument) => argument.startsWith('console='));
  const serial = consoles.filter((argument) => argument.startsWith('console=ttyS'));
  const onScreen = [...consoles.filter((argument) => !/^console=tty\d*$/.test(argument)), 'console=tty0'];
  const entries = [
    await entry(menu, `Install ${menu.title}`, onScreen),
    await entry(menu, `Check the medium, then install ${menu.title}`, [...onScreen, 'atomic.install.check=yes']),
  ];
  if (serial.length > 0) {
    entries.push(await entry(menu, `Install ${menu.title}, dialogue on the serial line`, ['console=tty0', ...serial]));
  }
  return renderTemplate('iso/grub.cfg.hbs', { menuSeconds: menu.menuSeconds, entries: entries.join('') });
}

/** Permissive, for the live system's own files have no labels; what it installs gets its labels from the commit. */
const LIVE_ARGUMENTS = ['systemd.unit=atomic-install.target', 'enforcing=0', 'rd.retry=60'];

async function entry(menu: Menu, title: string, more: readonly string[]): Promise<string> {
  const words = [`atomic.live=${menu.volumeId}`, ...LIVE_ARGUMENTS, ...more].map(grubWord).join(' ');
  return renderTemplate('iso/grub-entry.cfg.hbs', { title: grubWord(title.replaceAll("'", '')), arguments: words });
}
