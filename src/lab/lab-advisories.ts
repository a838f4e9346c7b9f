import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withTemporaryFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { xmlText } from '../base/xml-text.ts';
import { addMetadata } from '../programs/createrepo.ts';
import { identifyRpms, type RpmIdentity } from '../programs/rpm.ts';
import type { PlannedRpm } from './lab-plan.ts';

/**
 * Adds an advisory for each updated package to a repository's metadata, as vendors do (updateinfo, as createrepo_c and dnf read it):
 * the first update of a package is about security, each second one a bug fix. A repository without updates gets none.
 * @param folder the repository, with its metadata
 */
export async function adviseUpdates(folder: string, updated: readonly PlannedRpm[], task: Task): Promise<void> {
  if (updated.length === 0) return;
  const files = (await readdir(folder)).filter((name) => name.endsWith('.rpm')).toSorted();
  await withTemporaryFolder(async (home) => {
    const found = await identifyRpms(
      files.map((name) => join(folder, name)),
      home,
      task,
    );
    const updates = updated.flatMap(({ name, source }) => {
      const rpm = found.find((one) => one.name === name);
      return rpm ? [updateXml(rpm, source.bump)] : [];
    });
    const file = join(home, 'updateinfo.xml');
    await writeFile(file, `<?xml version="1.0" encoding="UTF-8"?>\n<updates>\n${updates.join('')}</updates>\n`);
    await addMetadata(folder, file, 'updateinfo', task);
  });
}

function updateXml({ name, epoch, version, release, arch }: RpmIdentity, update: number): string {
  const isSecurity = update % 2 === 1;
  const id = `LAB-${name}-${update}`;
  // A CVE of the year 0 cannot be anybody's.
  const cve = isSecurity ? `<reference type="cve" id="CVE-0000-${1000 + update}" title="invented"/>` : '';
  const about = [
    `<id>${xmlText(id)}</id>`,
    `<title>${xmlText(name)}: update ${update} of the lab</title>`,
    `<severity>${isSecurity ? 'Important' : 'Low'}</severity>`,
    `<references>${cve}</references>`,
  ].join('');
  const one = `<package name="${xmlText(name)}" epoch="${epoch}" version="${xmlText(version)}" release="${xmlText(release)}" arch="${xmlText(arch)}"/>`;
  return `<update type="${isSecurity ? 'security' : 'bugfix'}" status="final" from="lab@lab.invalid" version="1">${about}<pkglist><collection>${one}</collection></pkglist></update>\n`;
}
