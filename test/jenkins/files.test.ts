import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { JENKINS, shim, whyNoGroovy } from '../support/jenkins.ts';

const read = (name: string) => readFile(join(JENKINS, name), 'utf8');

describe.skipIf(whyNoGroovy())('the files in jenkins/', () => {
  it('are Groovy', async () => {
    const names = (await readdir(JENKINS)).filter((name) => !name.endsWith('.yaml'));
    expect(names).toHaveLength(6);
    expect(await shim('parse', ...names.map((name) => join(JENKINS, name)))).toBe('parsed\n');
  });

  it('the seed makes a job of each pipeline, with the parameters that it has', async () => {
    const jobs = JSON.parse(await shim('jobs', join(JENKINS, 'jobs.groovy'))) as Record<string, string[][]>;
    const pipelines = (await readdir(JENKINS)).filter((name) => name.startsWith('Jenkinsfile.'));
    const scripts = Object.values(jobs).map((lines) => lines.find(([name]) => name === 'scriptPath')?.[1]);
    expect(scripts.toSorted()).toEqual(pipelines.map((name) => `jenkins/${name}`).toSorted());
    for (const lines of Object.values(jobs)) {
      const script = lines.find(([name]) => name === 'scriptPath')?.[1]?.replace('jenkins/', '') ?? '';
      const declared = /parameters \{\n([\s\S]*?)\n {4}\}/.exec(await read(script))?.[1] ?? '';
      const named = [...declared.matchAll(/name: '(\w+)'/g)].map(([, name]) => name);
      expect(lines.filter(([name]) => name?.endsWith('Param')).map(([, name]) => name)).toEqual(named);
      // What one pipeline starts must be there under that name.
      for (const [, job] of (await read(script)).matchAll(/build job: '([\w-]+)'/g))
        expect(Object.keys(jobs)).toContain(job);
    }
  });
});

it('every secret that the pipelines bind is configured, and none is written down', async () => {
  const casc = parse(await read('casc.yaml'));
  const entries: Record<string, Record<string, string>>[] = casc.credentials.system.domainCredentials[0].credentials;
  const ids = entries.map((one) => Object.values(one)[0]?.['id']);
  const bound = [...(await read('steps.groovy')).matchAll(/credentialsId: '([\w-]+)'/g)].map(([, id]) => id);
  expect(ids.toSorted()).toEqual(bound.toSorted());
  for (const one of entries.map((entry) => Object.values(entry)[0])) {
    expect(one?.['secret'] ?? one?.['secretBytes']).toMatch(/^\$\{readFile(Base64)?:\/run\/secrets\/[\w-]+\}$/);
  }
});

it("no parameter's value gets into the text of a script", async () => {
  for (const name of (await readdir(JENKINS)).filter((one) => /^Jenkinsfile|steps/.test(one))) {
    const text = await read(name);
    // Groovy fills in double quotes only; a script in them, or put together from pieces, could carry a value.
    expect(text.match(/\b(sh|run|runInTurn)\s*\(?\s*"/g) ?? []).toEqual([]);
    const scripts = [...text.matchAll(/'''[\s\S]*?'''(\s*\+\s*\S+)?/g)].map(([, more = '']) => more.trim());
    expect(scripts.filter((more) => more !== '' && !(name === 'steps.groovy' && more === '+ command)'))).toEqual([]);
  }
});
