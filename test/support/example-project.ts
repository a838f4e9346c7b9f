import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { serveFolder } from './nginx.ts';
import { temporaryFolder } from './tmp.ts';

/**
 * Copies one of the examples to a new folder and serves what it publishes until the test is over.
 * @param added to the end of its configuration
 */
export async function exampleProject(name: string, added = '') {
  const dir = temporaryFolder();
  const project = join(dir, 'project');
  await cp(new URL(`../../examples/${name}/`, import.meta.url).pathname, project, { recursive: true });
  await mkdir(join(project, 'published'));
  const server = await serveFolder({ root: join(project, 'published') });
  onTestFinished(() => server.stop());
  const config = join(project, 'atomic-nightly.yaml');
  const text = (await readFile(config, 'utf8')).replace('http://localhost:8080', server.url);
  await writeFile(config, text + added);
  return { dir, project, server };
}
