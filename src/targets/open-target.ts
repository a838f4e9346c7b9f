import type { TargetConfig } from '../config/config.ts';
import { directoryTarget } from './directory/directory-target.ts';
import { withPlainPaths } from './plain-paths.ts';
import { rsyncTarget } from './rsync/rsync-target.ts';
import { s3Target } from './s3/s3-target.ts';
import { sshTarget } from './ssh/ssh-target.ts';
import type { PlainTarget, Target } from './target.ts';
import { withWriteOnce } from './write-once.ts';

/** Returns the target a configuration describes. Nothing is contacted yet. */
export function openTarget(config: TargetConfig): Target {
  return withPlainPaths(withWriteOnce(targetOf(config)));
}

function targetOf(config: TargetConfig): PlainTarget {
  switch (config.type) {
    case 'directory':
      return directoryTarget(config);
    case 'rsync':
      return rsyncTarget(config);
    case 'ssh':
      return sshTarget(config);
    case 's3':
      return s3Target(config);
  }
}
