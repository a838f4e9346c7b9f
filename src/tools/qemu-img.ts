import { run } from './exec.ts';
import type { Task } from './task.ts';

export interface ConvertRequest {
  readonly source: string;
  /** As `imageInfo` names it. */
  readonly sourceFormat: string;
  readonly target: string;
  readonly targetFormat: 'raw' | 'qcow2';
}

/**
 * Copies a disk image into another format, leaving holes for zeros. A qcow2 target is compressed with zlib, which every
 * qemu can read (zstd needs 5.1). Clusters are written in order: that costs little, and equal disks give equal files.
 * @throws NightlyError `tool-missing`, `tool-failed`, `disk-full`.
 */
export async function convertImage(request: ConvertRequest, task: Task): Promise<void> {
  await run(
    'qemu-img',
    [
      ...['convert', '-m', '4', '-f', request.sourceFormat, '-O', request.targetFormat],
      ...(request.targetFormat === 'qcow2' ? ['-c', '-o', 'compression_type=zlib'] : ['-S', '64k']),
      ...[request.source, request.target],
    ],
    { task },
  );
}

export interface ImageInfo {
  readonly format: string;
  /** Bytes the guest sees. */
  readonly virtualSize: number;
}

/** @throws NightlyError `tool-failed` when the file is no disk image. */
export async function imageInfo(image: string, task: Task): Promise<ImageInfo> {
  const { stdout } = await run('qemu-img', ['info', '--output=json', '-U', image], { task });
  const info = JSON.parse(stdout) as { readonly format: string; readonly 'virtual-size': number };
  return { format: info.format, virtualSize: info['virtual-size'] };
}

/** The parts of a raw image that hold data, in bytes, in order; the rest is zeros. */
export async function dataExtents(
  raw: string,
  task: Task,
): Promise<{ readonly start: number; readonly length: number }[]> {
  const { stdout } = await run('qemu-img', ['map', '--output=json', '-f', 'raw', raw], { task });
  const extents = JSON.parse(stdout) as { readonly start: number; readonly length: number; readonly data: boolean }[];
  return extents.filter((extent) => extent.data).map(({ start, length }) => ({ start, length }));
}

/** Makes a qcow2 that keeps its changes to itself and reads the rest from `backing`. `sizeBytes` may only grow it. */
export async function createOverlay(
  backing: string,
  backingFormat: string,
  overlay: string,
  sizeBytes: number,
  task: Task,
): Promise<void> {
  await run(
    'qemu-img',
    ['create', '-q', '-f', 'qcow2', '-b', backing, '-F', backingFormat, overlay, String(sizeBytes)],
    { task },
  );
}
