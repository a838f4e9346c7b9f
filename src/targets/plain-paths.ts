import { NightlyError } from '../base/errors.ts';
import type { Target } from './target.ts';

/**
 * Whether a path stays below what it is relative to, and is spelled in the only way it can be. Control characters are no part
 * of a name that anything here makes, and would end a line of a list of files.
 */
export function isPlainPath(path: string): boolean {
  return !hasControl(path) && staysBelow(path);
}

const hasControl = (path: string): boolean => /\p{Cc}/u.test(path);

function staysBelow(path: string): boolean {
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/**
 * Returns a target that is asked for nothing outside its root, and whose listings name nothing but what is below the
 * folder that was listed, whatever its far side says: what is listed decides what is sent again and what is removed
 * (I12).
 */
export function withPlainPaths(target: Target): Target {
  const requirePlain = (paths: readonly string[]): void => {
    const outside = paths.find((path) => !isPlainPath(path.replace(/\/$/, '')));
    if (outside === undefined) return;
    throw new NightlyError('unsupported', `${JSON.stringify(outside)} is not a path on target "${target.name}".`, {
      hint: 'Find the record that names it so; nothing was changed there.',
    });
  };
  const { sendInOrder } = target;
  return {
    ...target,
    async read(path, task) {
      requirePlain([path]);
      return target.read(path, task);
    },
    async readMany(paths, task) {
      requirePlain(paths);
      return target.readMany(paths, task);
    },
    async readWithLinks(paths, folder, task) {
      requirePlain([...paths, folder]);
      return target.readWithLinks(paths, folder, task);
    },
    async send(sourceRoot, paths, options, task) {
      requirePlain(paths);
      return target.send(sourceRoot, paths, options, task);
    },
    ...(sendInOrder && {
      async sendInOrder(sourceRoot, groups, task) {
        for (const { paths } of groups) requirePlain(paths);
        return sendInOrder(sourceRoot, groups, task);
      },
    }),
    async swap(request, task) {
      const { expect, ahead = [], put, seal } = request;
      requirePlain([...expect, ...ahead, ...put].map(({ path }) => path));
      if (seal === undefined) return target.swap(request, task);
      const plainly = async () => {
        const sealed = await seal();
        requirePlain(sealed.map(({ path }) => path));
        return sealed;
      };
      return target.swap({ ...request, seal: plainly }, task);
    },
    async *list(folder, task) {
      if (folder !== '') requirePlain([folder]);
      for await (const file of target.list(folder, task)) {
        const isBelow = folder === '' || file.path.startsWith(`${folder}/`);
        if (isBelow && staysBelow(file.path)) {
          // Others may have put such a file there; nothing of ours has such a name, and none is asked for.
          if (!hasControl(file.path)) yield file;
          continue;
        }
        throw new NightlyError(
          'unsupported',
          `Target "${target.name}" was asked what is below ${folder} and names ${JSON.stringify(file.path)}.`,
          { hint: 'Nothing was changed. Find out what answers at that address.' },
        );
      }
    },
    async remove(paths, task) {
      requirePlain(paths);
      return target.remove(paths, task);
    },
  };
}
