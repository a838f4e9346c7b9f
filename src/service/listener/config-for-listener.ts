import { readFile } from 'node:fs/promises';
import { parseYaml } from '../../base/yaml/yaml-document.ts';

/**
 * Reads a configuration as the listening process gets it: without the notification sinks, whose addresses may be
 * secrets. It is JSON, which is YAML too.
 */
export async function configForListener(path: string): Promise<string> {
  const { input } = parseYaml(await readFile(path, 'utf8'), path, '');
  return JSON.stringify(typeof input === 'object' ? { ...input, notify: undefined } : input);
}
