import type { Task } from '../base/task.ts';
import type { Accelerator } from '../programs/qemu.ts';
import { type KvmState, probeKvm } from './kvm.ts';

/** KVM where a time-boxed probe shows that it works; else software emulation, saying why. */
export async function chooseAccelerator(task: Task, probe: () => Promise<KvmState> = probeKvm): Promise<Accelerator> {
  const { usable, reason } = await probe();
  if (usable) return 'kvm';
  task.say(`No KVM, so booting is slower: ${reason}`);
  return 'tcg';
}
