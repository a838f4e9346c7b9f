import { access, constants, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { isErrno } from '../base/files.ts';
import { temporaryPrefix } from '../base/temporary.ts';
import { run } from '../programs/exec.ts';

/** Whether virtual machines can use KVM here. */
export interface KvmState {
  readonly usable: boolean;
  /** One sentence for people. */
  readonly reason: string;
}

export interface KvmProbe {
  /** A Linux kernel to start as a second test. Default: the newest readable one in /boot, if any. */
  readonly kernel?: string;
  /** Time limit for booting that kernel, which takes a healthy KVM a few seconds. Default: 15000. */
  readonly timeoutMs?: number;
  /** Default: /dev/kvm. Another path only in tests. */
  readonly device?: string;
}

/**
 * Tries KVM out, because a /dev/kvm that opens says little: inside some virtual machines it is there, but each exit to
 * the hypervisor takes so long that guests appear to hang. Seen on such machines: the boot sector below took 4 to 21 s
 * with KVM and 0.3 s with software emulation (TCG), and a kernel printed nothing more after its boot loader; or QEMU
 * aborted because the hypervisor refused a register. So KVM has to be no slower than TCG, measured here and now.
 */
export async function probeKvm(probe: KvmProbe = {}): Promise<KvmState> {
  const { device = '/dev/kvm', timeoutMs = 15_000 } = probe;
  if (process.arch !== 'x64') return no('only tried on x86_64');
  try {
    await access(device, constants.R_OK | constants.W_OK);
  } catch (error) {
    if (isErrno(error, 'EACCES')) return no(`no permission for ${device}; add this user to its group, usually "kvm"`);
    return no(`there is no ${device}`);
  }
  const folder = await mkdtemp(temporaryPrefix('kvm'));
  try {
    const sector = join(folder, 'sector');
    await writeFile(sector, bootSector());
    const drive = `if=ide,format=raw,readonly=off,file=${sector}`;
    const small = ['-drive', drive, '-device', 'isa-debug-exit,iobase=0x501,iosize=1'];
    const begun = performance.now();
    const emulated = await guestFault(['-accel', 'tcg', ...small], DONE, 60_000);
    if (emulated !== undefined) return no(`QEMU could not run a boot sector even without KVM (${emulated})`);
    const limitMs = Math.max(1000, performance.now() - begun);
    const first = await guestFault([...WITH_KVM, ...small], DONE, limitMs);
    if (first !== undefined) return no(`${device} is there, but QEMU could not run a boot sector with it (${first})`);
    const kernel = probe.kernel ?? (await newestKernel());
    if (kernel === undefined) return { usable: true, reason: 'KVM ran a boot sector in time' };
    // A kernel that finds no root file system panics and, told so, reboots; that ends QEMU.
    const boot = ['-kernel', kernel, '-append', 'console=ttyS0 panic=-1', '-no-reboot'];
    const second = await guestFault([...WITH_KVM, ...boot], 0, timeoutMs);
    return second === undefined
      ? { usable: true, reason: `KVM started ${kernel} in time` }
      : no(`${device} is there, but QEMU could not start ${kernel} with it (${second})`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const no = (why: string): KvmState => ({ usable: false, reason: `${why}: software emulation (TCG) will be used` });

const WITH_KVM = ['-accel', 'kvm', '-cpu', 'host'];

/** Why QEMU did not run a guest to its end, in few words; `undefined` when it did. */
async function guestFault(args: readonly string[], good: number, timeoutMs: number): Promise<string | undefined> {
  const base = ['-m', '256', '-nodefaults', '-no-user-config', '-display', 'none'];
  try {
    await run('qemu-system-x86_64', [...base, ...args], { timeoutMs, okExitCodes: [good] });
    return undefined;
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    // Without the command line, which helps nobody here.
    const [first = '', ...said] = error.message.trim().split('\n');
    const what = first.replace(/^qemu-system-x86_64 (?=was|did|ended)/, 'it ').replace(/\.$/, '');
    return [what, ...said.slice(-1)].join(', ');
  }
}

async function newestKernel(): Promise<string | undefined> {
  const names = await readdir('/boot').catch(() => []);
  const kernels = names
    .filter((name) => name.startsWith('vmlinuz-') && !name.includes('rescue'))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  for (const name of kernels.reverse()) {
    const path = join('/boot', name);
    try {
      await access(path, constants.R_OK);
      return path;
    } catch {
      // Kernels are readable by root only on some distributions; the boot sector has to do then.
    }
  }
  return undefined;
}

/** `isa-debug-exit` makes an exit code of what the guest writes: twice the value, plus 1. */
const DONE = 0x20 * 2 + 1;

/**
 * Returns a guest of 512 bytes that does what the first moments of a kernel do: it goes from real mode through
 * protected mode to long mode with paging, touches 60 MB page by page, and reports that it is done. Loaded at 0x7c00.
 */
export function bootSector(): Uint8Array {
  const code = Buffer.from(
    GUEST.map(([bytes]) => bytes)
      .join('')
      .replaceAll(' ', ''),
    'hex',
  );
  const sector = Buffer.alloc(512);
  code.copy(sector);
  Buffer.from(DESCRIPTORS.replaceAll(' ', ''), 'hex').copy(sector, 0xb0);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

/** Machine code and what it says. */
const GUEST: readonly (readonly [string, string])[] = [
  // Real mode.
  ['ea 057c 0000', 'ljmp 0:0x7c05'],
  ['fa', 'cli'],
  ['31c0', 'xor ax, ax'],
  ['8ed8', 'mov ds, ax'],
  ['0f0116 d07c', 'lgdt [0x7cd0]'],
  ['0f20c0', 'mov eax, cr0'],
  ['0c01', 'or al, 1'],
  ['0f22c0', 'mov cr0, eax'],
  ['66ea 1f7c0000 0800', 'ljmp 8:0x7c1f'],
  // Protected mode.
  ['66b8 1000', 'mov ax, 16'],
  ['8ed8', 'mov ds, ax'],
  ['8ec0', 'mov es, ax'],
  ['31c0', 'xor eax, eax'],
  ['bf 00000100', 'mov edi, 0x10000'],
  ['b9 000c0000', 'mov ecx, 0xc00'],
  ['f3ab', 'rep stosd: three empty page tables'],
  ['c705 00000100 03100100', 'mov [0x10000], 0x11003'],
  ['c705 00100100 03200100', 'mov [0x11000], 0x12003'],
  ['bf 00200100', 'mov edi, 0x12000'],
  ['b8 83000000', 'mov eax, 0x83'],
  ['b9 1f000000', 'mov ecx, 31: pages of 2 MB'],
  ['8907', 'mov [edi], eax'],
  ['83c708', 'add edi, 8'],
  ['05 00002000', 'add eax, 0x200000'],
  ['e2f4', 'loop to the mov three lines above'],
  ['b8 00000100', 'mov eax, 0x10000'],
  ['0f22d8', 'mov cr3, eax'],
  ['0f20e0', 'mov eax, cr4'],
  ['0c20', 'or al, 0x20: physical address extension'],
  ['0f22e0', 'mov cr4, eax'],
  ['b9 800000c0', 'mov ecx, 0xc0000080: EFER'],
  ['0f32', 'rdmsr'],
  ['80cc01', 'or ah, 1: long mode'],
  ['0f30', 'wrmsr'],
  ['0f20c0', 'mov eax, cr0'],
  ['0d 00000080', 'or eax, 0x80000000: paging'],
  ['0f22c0', 'mov cr0, eax'],
  ['ea 927c0000 1800', 'ljmp 24:0x7c92'],
  // Long mode.
  ['bf 00001000', 'mov edi, 0x100000'],
  ['b9 003c0000', 'mov ecx, 15360: pages of 4 KB'],
  ['890f', 'mov [rdi], ecx'],
  ['81c7 00100000', 'add edi, 4096'],
  ['e2f6', 'loop to the mov two lines above'],
  ['66ba 0105', 'mov dx, 0x501'],
  ['b020', 'mov al, 0x20'],
  ['ee', 'out dx, al: done'],
  ['f4', 'hlt'],
  ['ebfd', 'jmp to the hlt'],
];

/** At 0x7cb0: an empty descriptor, 32-bit code, data, 64-bit code; at 0x7cd0: their size - 1 and address. */
const DESCRIPTORS = '0000000000000000 ffff0000009acf00 ffff00000092cf00 ffff0000009aaf00 1f00 b07c0000';
