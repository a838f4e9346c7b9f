import type { TargetConfig } from '../config/config.ts';
import { NightlyError } from '../errors.ts';
import { directoryTarget } from './directory.ts';
import { rsyncTarget } from './rsync.ts';
import { sshTarget } from './ssh.ts';
import type { Target } from './target.ts';

/** The target a configuration describes. Nothing is contacted yet. */
export function openTarget(config: TargetConfig): Target {
  switch (config.type) {
    case 'directory':
      return directoryTarget(config);
    case 'rsync':
      return rsyncTarget(config);
    case 'ssh':
      return sshTarget(config);
    case 's3':
      throw new NightlyError('unsupported', `Targets of type ${config.type} come with the next commits.`);
  }
}
