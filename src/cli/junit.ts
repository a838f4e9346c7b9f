import { xmlText } from '../base/xml-text.ts';
import type { BuildMeta } from '../build/build-record.ts';
import type { StoredBuild } from '../build/build-store.ts';
import { type JournalEntry, readJournal } from '../build/journal.ts';
import { type TestsRecord, testsOrNone } from '../build/tests-record.ts';

interface TestCase {
  readonly name: string;
  readonly seconds: number;
  readonly failure?: { readonly type: string; readonly message: string };
  readonly skipped?: string;
}

/**
 * Returns a build as a JUnit report, in the form that Jenkins reads (github.com/jenkinsci/xunit-plugin, junit-10.xsd):
 * a test case for each step that ran on this machine, each image that is still to be made, each image that was booted,
 * and each health check in it.
 */
export async function junitReport({ meta, paths }: StoredBuild): Promise<string> {
  const steps = stepCases(await readJournal(paths.journal), meta);
  const own = await testsOrNone(paths);
  const suites = [
    suite(meta, 'steps', steps),
    suite(meta, 'smoke tests', smokeCases(meta)),
    ...(own ? [suite(meta, 'tests', ownCases(own))] : []),
  ];
  return report(suites);
}

/** Returns the SIG's own tests of a build as such a report. */
export async function testsReport({ meta, paths }: StoredBuild): Promise<string> {
  const own = await testsOrNone(paths);
  return report(own ? [suite(meta, 'tests', ownCases(own))] : []);
}

function ownCases({ results }: TestsRecord): TestCase[] {
  return results.map(({ name, image, verdict, seconds, message = '' }) => ({
    name: `${image}: ${name}`,
    seconds,
    ...(verdict === 'failed' && { failure: { type: 'gate-failed', message } }),
    ...(verdict === 'skipped' && { skipped: message }),
  }));
}

function report(suites: readonly string[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${suites.join('')}</testsuites>\n`;
}

function stepCases(journal: readonly JournalEntry[], meta: BuildMeta): TestCase[] {
  const cases = new Map<string, TestCase>();
  for (const entry of journal) {
    if (entry.event === 'end') continue;
    const { step: name } = entry;
    switch (entry.event) {
      case 'start':
        cases.set(name, { name, seconds: 0, failure: { type: 'interrupted', message: 'It did not come to its end.' } });
        break;
      case 'done':
        cases.set(name, { name, seconds: entry.seconds });
        break;
      case 'failed': {
        const { code: type, message } = entry;
        cases.set(name, { name, seconds: entry.seconds, failure: { type, message } });
      }
    }
  }
  for (const type of meta.pendingImages ?? []) {
    const name = `image-${type}`;
    if (!cases.has(name)) cases.set(name, { name, seconds: 0, skipped: 'Still to be made.' });
  }
  return [...cases.values()].filter(({ name }) => !name.startsWith(SMOKE) && !name.startsWith('test-'));
}

const SMOKE = 'smoke-test-';

function smokeCases(meta: BuildMeta): TestCase[] {
  const passed = Object.entries(meta.smokeTests ?? {}).flatMap(([type, result]) => [
    { name: `${type} comes up`, seconds: result.bootSeconds + result.checkSeconds },
    ...(result.healthChecks ?? []).map((check) => ({ name: `${type}: ${check}`, seconds: 0 })),
  ]);
  const failed = (meta.failures ?? [])
    .filter(({ step }) => step.startsWith(SMOKE))
    .map(({ step, code, message }) => ({
      name: `${step.slice(SMOKE.length)} comes up`,
      seconds: 0,
      failure: { type: code, message },
    }));
  return [...passed, ...failed];
}

function suite(meta: BuildMeta, name: string, cases: readonly TestCase[]): string {
  const count = (key: 'failure' | 'skipped') => cases.filter((one) => one[key] !== undefined).length;
  const seconds = cases.reduce((sum, one) => sum + one.seconds, 0);
  const stream = meta.stream;
  const attributes = {
    name: `${meta.buildid} ${name}`,
    tests: String(cases.length),
    failures: String(count('failure')),
    errors: '0',
    skipped: String(count('skipped')),
    time: seconds.toFixed(3),
    timestamp: meta.ostreeTimestamp.replace(/(\.\d+)?Z$/, ''),
  };
  const inside = cases.map((one) => {
    const named = { name: one.name, classname: `${stream}.${name.replaceAll(' ', '-')}`, time: one.seconds.toFixed(3) };
    return `    ${element('testcase', named, outcome(one))}\n`;
  });
  return `  ${element('testsuite', attributes, inside.length === 0 ? '' : `\n${inside.join('')}  `)}\n`;
}

function outcome({ failure, skipped }: TestCase): string {
  if (failure) {
    const [message = ''] = failure.message.split('\n');
    return element('failure', { type: failure.type, message }, xmlText(failure.message));
  }
  return skipped === undefined ? '' : element('skipped', { message: skipped }, '');
}

/** @param content XML already */
function element(name: string, attributes: Readonly<Record<string, string>>, content: string): string {
  const start = Object.entries(attributes).map(([key, value]) => ` ${key}="${xmlText(value)}"`);
  return content === '' ? `<${name}${start.join('')}/>` : `<${name}${start.join('')}>${content}</${name}>`;
}
