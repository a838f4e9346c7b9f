import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { renderTemplate } from '../images/template/render-template.ts';
import { makeIso } from '../programs/xorriso.ts';

export interface SeedRequest {
  readonly dir: string;
  readonly user: string;
  /** The line for authorized_keys. */
  readonly publicKey: string;
  /** Lets the user log in on the console too; not on a machine that matters, for the seed holds it as it is. */
  readonly password?: string | undefined;
  readonly instanceId: string;
  readonly hostName: string;
}

/**
 * Makes the disk that tells cloud-init who may log in (its NoCloud source: a volume `cidata` with `user-data` and
 * `meta-data`). The network needs no word: cloud-init asks DHCP on the only card. @returns the ISO file's path.
 */
export async function makeSeed(request: SeedRequest, task: Task): Promise<string> {
  const folder = join(request.dir, 'cidata');
  await makeFolder(folder);
  const { user, publicKey, password, instanceId, hostName } = request;
  await writeFile(
    join(folder, 'user-data'),
    await renderTemplate('boot/user-data.hbs', { user, publicKey, password: password ?? '' }),
  );
  await writeFile(join(folder, 'meta-data'), await renderTemplate('boot/meta-data.hbs', { instanceId, hostName }));
  const iso = join(request.dir, 'seed.iso');
  await makeIso(iso, 'cidata', folder, task);
  return iso;
}
