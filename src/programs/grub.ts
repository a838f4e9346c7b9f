import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

export interface GrubImageRequest {
  /** `i386-pc-eltorito` is `i386-pc` for a disc, with the same modules. */
  readonly format: 'i386-pc' | 'i386-pc-eltorito' | 'x86_64-efi';
  /** Folder with that format's modules. */
  readonly modulesDir: string;
  readonly modules: readonly string[];
  /** A file with the commands run before the configuration file is read; it finds the boot partition. */
  readonly earlyConfig: string;
  /** Where GRUB looks when the early configuration set nothing, like `/grub`. */
  readonly prefix: string;
  readonly output: string;
}

/** Makes a GRUB core image. @throws NightlyError `tool-missing`, `tool-failed` (a module that is not there). */
export async function makeGrubImage(request: GrubImageRequest, task: Task): Promise<void> {
  await run(
    'grub-mkimage',
    [
      ...['-O', request.format, '-d', request.modulesDir, '-c', request.earlyConfig, '-p', request.prefix],
      ...['-o', request.output, ...request.modules],
    ],
    { task },
  );
}
