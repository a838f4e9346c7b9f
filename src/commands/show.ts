import { loadConfig } from '../config/load.ts';
import { formatDiff } from '../rpm/pkgdiff.ts';
import { findBuild } from '../run/build-store.ts';
import { formatBytes, formatSeconds } from '../sinks/format.ts';
import { type Printer, printJson } from './print.ts';

/** `atomic-nightly show BUILD`: one build: its commit, what changed, its images, how long each step took. */
export async function runShow(
  id: string,
  options: { readonly config: string; readonly json: boolean },
  print: Printer,
): Promise<number> {
  const { work } = await loadConfig(options.config);
  const { meta, paths } = await findBuild(work, id);
  if (options.json) {
    printJson(meta, print);
    return 0;
  }
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Build', `${meta.buildid} (${meta['atomic-nightly.state']})`],
    ['Stream', `${meta['atomic-nightly.stream']}, ${meta['coreos-assembler.basearch']}`],
    ['Ref', meta.ref],
    ['Commit', meta['ostree-commit']],
    ['Parent', meta['atomic-nightly.parent']],
    ['Time', meta['ostree-timestamp']],
    ['Engine', engineText(meta['atomic-nightly.engine'])],
    ['Kernel', meta['atomic-nightly.compose']?.kernel],
    ['Signed by', meta['atomic-nightly.signed-by']?.join(', ')],
    ['Published', meta['atomic-nightly.published']?.join(', ')],
    ['Records', paths.dir],
  ];
  for (const [name, value] of facts) if (value !== undefined) print(`${`${name}:`.padEnd(11)}${value}`);
  if (meta.pkgdiff) print(`Packages:\n${formatDiff(meta.pkgdiff)}`);
  for (const { from, bytes, objects, seconds, 'object-bytes': without } of meta['atomic-nightly.deltas'] ?? []) {
    const start = from === undefined ? 'scratch' : from.slice(0, 12);
    print(
      `Delta from ${start}: ${formatBytes(bytes)} instead of ${objects} objects with ${formatBytes(without)}, made in ${formatSeconds(seconds)}`,
    );
  }
  for (const [name, image] of Object.entries(meta.images ?? {})) {
    print(`Image ${name}: ${image.path}, ${formatBytes(image.size)}\n  sha256 ${image.sha256}`);
  }
  for (const [name, image] of Object.entries(meta['atomic-nightly.refused-images'] ?? {})) {
    print(`Refused image ${name}, not published: ${image.path}`);
  }
  for (const { step, message } of meta['atomic-nightly.failures'] ?? []) print(`Failed: ${step}: ${message}`);
  const steps = meta['atomic-nightly.steps'] ?? [];
  if (steps.length > 0)
    print(`Steps: ${steps.map(({ step, seconds }) => `${step} ${formatSeconds(seconds)}`).join(', ')}`);
  const phases = meta['atomic-nightly.compose']?.phases ?? [];
  for (const { name, tool, seconds } of phases)
    print(`  compose: ${name.padEnd(24)} ${tool.padEnd(8)} ${seconds.toFixed(2)} s`);
  return 0;
}

function engineText(engine: { readonly name: string; readonly version: string } | undefined): string | undefined {
  return engine && `${engine.name} ${engine.version}`;
}
