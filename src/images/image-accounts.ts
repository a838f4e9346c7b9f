import { chmod, lchown } from 'node:fs/promises';
import { NightlyError } from '../base/errors.ts';
import { folderInTree, readInTree, replaceInTree } from '../base/tree-files.ts';
import { addToFile } from './own-file.ts';
import type { ImageTemplate } from './template/image-template.ts';

type User = ImageTemplate['users'][number];

/**
 * Gives where a path of the running host lies on the disk being made, inside which links are followed; one at the very end
 * is followed when asked for.
 */
export type Place = (path: string, lastLink?: 'follow' | 'keep') => string;

/**
 * Adds a user with a group of the same name and number, a home below /var/home, keys, and sudo when asked for.
 * @param place gives where a path of the running host lies on the disk being made
 * @throws NightlyError `image` when the name or number is taken in the tree's /etc/passwd
 */
export async function addUser(user: User, place: Place): Promise<void> {
  const { name, uid, gecos, shell, sudo } = user;
  await checkFree(user, place('/etc/passwd', 'follow'));
  const lines: readonly (readonly [string, string])[] = [
    ['/etc/passwd', `${name}:x:${uid}:${uid}:${gecos}:/var/home/${name}:${shell}`],
    ['/etc/group', `${name}:x:${uid}:`],
    // No date of the last change: it would differ from one build to the next.
    ['/etc/shadow', `${name}:${user['password-hash']}::0:99999:7:::`],
    ['/etc/gshadow', `${name}:!::`],
  ];
  for (const [path, line] of lines) await addToFile(place(path, 'follow'), `${line}\n`, path);
  const home = place(`/var/home/${name}`, 'follow');
  const folder = place(`/var/home/${name}/.ssh`, 'follow');
  const keys = `${folder}/authorized_keys`;
  await folderInTree(folder);
  await replaceInTree(keys, user['ssh-authorized-keys'].map((key) => `${key}\n`).join(''), 0o600);
  for (const path of [home, folder]) await chmod(path, 0o700);
  for (const path of [home, folder, keys]) await lchown(path, uid, uid);
  if (!sudo) return;
  // requiretty was CentOS 7's default; programs that log in to run one command have no terminal.
  const rule = `Defaults:${name} !requiretty\n${name} ALL=(ALL) NOPASSWD: ALL\n`;
  await replaceInTree(place(`/etc/sudoers.d/${name}`), rule, 0o440);
}

async function checkFree({ name, uid }: User, passwd: string): Promise<void> {
  const text = (await readInTree(passwd)) ?? '';
  const taken = text.split('\n').find((line) => line.startsWith(`${name}:`) || line.split(':')[2] === String(uid));
  if (taken === undefined) return;
  throw new NightlyError('image', `The image's user ${name} (${uid}) cannot be added: the tree has "${taken}".`, {
    hint: 'Give the user another "name" or "uid" in image.yaml.',
  });
}
