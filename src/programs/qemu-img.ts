import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { oneLine } from '../base/one-line.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

export interface ConvertRequest {
  readonly source: string;
  /** Format as `imageInfo` names it. */
  readonly sourceFormat: string;
  readonly target: string;
  readonly targetFormat: TargetFormat;
  /** What the guest sees, in bytes; with it the conversion reports its progress. */
  readonly virtualSize?: number;
}

/**
 * What an image can be turned into. `qcow2` is compressed with zlib, which every qemu can read (zstd needs 5.1);
 * `qcow2-plain` is not, for use inside an archive that is. `vmdk-stream` is compressed and can be read in one pass; its
 * adapter type is the one VirtualBox gives its own disks, whichever controller they hang on.
 */
export type TargetFormat = 'raw' | 'qcow2' | 'qcow2-plain' | 'vmdk-stream';

const TARGET_ARGUMENTS: Readonly<Record<TargetFormat, readonly string[]>> = {
  raw: ['-O', 'raw', '-S', '64k'],
  qcow2: ['-O', 'qcow2', '-c', '-o', 'compression_type=zlib'],
  'qcow2-plain': ['-O', 'qcow2'],
  'vmdk-stream': ['-O', 'vmdk', '-o', 'subformat=streamOptimized,adapter_type=ide'],
};

/**
 * Copies a disk image into another format, leaving holes for zeros. Clusters are written in order: that costs little,
 * and equal disks give equal files, but for the random content id of a VMDK.
 * @throws NightlyError `tool-missing`, `tool-failed`, `disk-full`.
 */
export async function convertImage(request: ConvertRequest, task: Task): Promise<void> {
  const { virtualSize } = request;
  await run(
    'qemu-img',
    [
      ...['convert', ...(virtualSize === undefined ? [] : ['-p']), '-m', '4', '-f', request.sourceFormat],
      ...[...TARGET_ARGUMENTS[request.targetFormat], request.source, request.target],
    ],
    {
      task,
      onLine: virtualSize === undefined ? undefined : (line) => reportProgress(line, virtualSize, task),
    },
  );
}

/** `-p` prints lines such as "    (12.34/100%)", each ended by a carriage return. */
function reportProgress(line: string, virtualSize: number, task: Task): void {
  const percent = /^\s*\(([\d.]+)\/100%\)/.exec(line)?.[1];
  if (percent) task.progress(Math.round((virtualSize * Number(percent)) / 100), virtualSize, 'bytes');
}

export interface ImageInfo {
  readonly format: string;
  /** Bytes the guest sees. */
  readonly virtualSize: number;
}

/** @throws NightlyError `tool-failed` when the file is not a disk image. */
export async function imageInfo(image: string, task: Task): Promise<ImageInfo> {
  const { stdout } = await run('qemu-img', ['info', '--output=json', '-U', image], { task });
  const info = outputOf('info', stdout, z.looseObject({ format: z.string(), 'virtual-size': z.int().min(0) }));
  return { format: info.format, virtualSize: info['virtual-size'] };
}

const extent = z.looseObject({ start: z.int().min(0), length: z.int().min(0), data: z.boolean() });

/** Returns the parts of a raw image that hold data, in bytes, in order; the rest is zeros. */
export async function dataExtents(
  raw: string,
  task: Task,
): Promise<{ readonly start: number; readonly length: number }[]> {
  const { stdout } = await run('qemu-img', ['map', '--output=json', '-f', 'raw', raw], { task, data: true });
  const extents = outputOf('map', stdout, z.array(extent));
  return extents.filter(({ data }) => data).map(({ start, length }) => ({ start, length }));
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

/** Reads what a command printed as JSON. */
function outputOf<Schema extends z.ZodType>(command: string, stdout: string, schema: Schema): z.output<Schema> {
  try {
    return schema.parse(JSON.parse(stdout));
  } catch (cause) {
    throw new NightlyError(
      'tool-failed',
      `qemu-img ${command} printed something unexpected: ${oneLine(stdout).slice(0, 200)}`,
      {
        hint: 'Is it the qemu-img of QEMU? "qemu-img --version" says so.',
        cause,
      },
    );
  }
}
