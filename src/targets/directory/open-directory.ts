import type { DirectoryTargetConfig } from '../../config/config.ts';
import { withPlainPaths } from '../plain-paths.ts';
import type { Target } from '../target.ts';
import { withWriteOnce } from '../write-once.ts';
import { directoryTarget } from './directory-target.ts';

/** As `openTarget`, for those who need no other kind and need not load them. */
export function openDirectory(config: DirectoryTargetConfig): Target {
  return withPlainPaths(withWriteOnce(directoryTarget(config)));
}
