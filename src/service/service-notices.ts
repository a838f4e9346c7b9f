import { run } from '../programs/exec.ts';

/** Notifications to systemd about the service, sd_notify(3); nothing happens where it does not ask. */
export interface Notifier {
  /** `STATUS=` is one line, as `systemctl status` shows it. */
  tell(...fields: readonly `${string}=${string}`[]): Promise<void>;
  /**
   * Begins to say that the service is alive, at half the time systemd gives it. Ends with `stop`.
   * @param isAlive asked each time: whether there is nothing to be said against it
   */
  watch(isAlive: () => boolean): { stop(): void };
}

/**
 * Speaks through `systemd-notify`, the one program that is given the socket, since Node has no datagram sockets of the
 * Unix kind; the unit needs NotifyAccess=all. A message that does not get through is no reason to stop: the watchdog of
 * systemd then decides.
 */
export function notifier(environment: NodeJS.ProcessEnv = process.env): Notifier {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = environment;
  const tell: Notifier['tell'] = async (...fields) => {
    if (socket === undefined) return;
    await run('systemd-notify', fields, { timeoutMs: 10_000, env: { NOTIFY_SOCKET: socket } }).catch(() => undefined);
  };
  return {
    tell,
    watch(isAlive) {
      if (usec === undefined || (pid !== undefined && Number(pid) !== process.pid)) return { stop: () => undefined };
      const timer = setInterval(() => isAlive() && void tell('WATCHDOG=1'), Number(usec) / 2000);
      return { stop: () => clearInterval(timer) };
    },
  };
}
