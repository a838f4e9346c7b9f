import type { SystemUser } from './users.ts';

/**
 * argv that runs a command as a user without any way back: no group but the user's own, no capability but those named,
 * and none to be had from a program with file capabilities or the setuid bit.
 * @param capabilities names as in capabilities(7), such as `CAP_NET_BIND_SERVICE`
 */
export function setpriv(argv: readonly string[], { uid, gid }: SystemUser, capabilities: readonly string[]): string[] {
  const only = ['-all', ...capabilities.map((name) => `+${name.toLowerCase().replace(/^cap_/, '')}`)].join(',');
  return [
    'setpriv',
    ...['--reuid', String(uid), '--regid', String(gid), '--clear-groups', '--no-new-privs'],
    ...[`--inh-caps=${only}`, `--ambient-caps=${only}`, `--bounding-set=${only}`],
    ...argv,
  ];
}
