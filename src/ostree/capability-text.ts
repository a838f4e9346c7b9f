/** Names of the capabilities by their bit (linux/capability.h). */
const NAMES = (
  'chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service net_broadcast ' +
  'net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice ' +
  'sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm ' +
  'block_suspend audit_read perfmon bpf checkpoint_restore'
).split(' ');

/** The low bit of the first word: the capabilities are effective at once. */
const EFFECTIVE = 1n;

/**
 * Returns file capabilities as getcap prints them, as in `cap_net_admin,cap_net_raw=ep`; those that differ in their kind apart.
 * @param value the extended attribute `security.capability`, of revision 2 or 3 (linux/capability.h, `vfs_cap_data`)
 */
export function capabilityText(value: Uint8Array): string {
  const bytes = Buffer.from(value);
  const revision = bytes.length < 20 ? 0 : bytes.readUInt8(3);
  if (revision !== 2 && revision !== 3) return `0x${bytes.toString('hex')}`;
  const effective = (BigInt(bytes.readUInt32LE(0)) & EFFECTIVE) === EFFECTIVE;
  const both = (at: number): bigint => BigInt(bytes.readUInt32LE(at)) | (BigInt(bytes.readUInt32LE(at + 8)) << 32n);
  const [permitted, inheritable] = [both(4), both(8)];
  const kinds = new Map<string, string[]>();
  for (let bit = 0n; bit < 64n; bit += 1n) {
    const [p, i] = [(permitted >> bit) & 1n, (inheritable >> bit) & 1n].map((one) => one === 1n);
    if (!p && !i) continue;
    const kind = `${effective ? 'e' : ''}${i ? 'i' : ''}${p ? 'p' : ''}`;
    kinds.set(kind, [...(kinds.get(kind) ?? []), `cap_${NAMES[Number(bit)] ?? bit}`]);
  }
  return [...kinds].map(([kind, names]) => `${names.join(',')}=${kind}`).join(' ');
}
