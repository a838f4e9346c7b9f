import type { DirectoryTargetConfig } from '../../config/config.ts';
import { withPlainPaths } from '../plain-paths.ts';
import type { Target } from '../target.ts';
import { withWriteOnce } from '../write-once.ts';
import { directoryTarget } from './directory-target.ts';

/** Opens a directory target as `openTarget` does, without loading the other kinds. */
export function openDirectory(config: DirectoryTargetConfig): Target {
  return withPlainPaths(withWriteOnce(directoryTarget(config)));
}
