import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { updateLab } from '../../src/lab/build-lab.ts';
import { type StaticServer, serveFolder } from './nginx.ts';
import { testLab } from './test-lab.ts';
import { testTask } from './tmp.ts';
import { type CliResult, runCli } from './world.ts';

/** The ref of the nightly stream of these projects. */
export const LAB_REF = 'lab-atomic-host/x86_64/nightly';

/** A nightly build that was published. */
export interface LabNight {
  /** Its id, which is the version of the tree. */
  readonly version: string;
  readonly commit: string;
}

/** A folder with the lab distribution and one nightly stream, published behind a web server. */
export interface LabProject {
  readonly dir: string;
  /** What the web server has. */
  readonly published: string;
  readonly server: StaticServer;
  readonly treefile: string;
  /**
   * Writes the configuration as it is from now on.
   * @param stream further lines of the stream
   * @param blocks further lines of the whole
   */
  configure(stream: readonly string[], blocks?: readonly string[]): Promise<void>;
  cli(...args: readonly string[]): Promise<CliResult>;
  /** Runs a command that must succeed. @returns what it printed on standard output */
  must(...args: readonly string[]): Promise<string>;
  night(): Promise<LabNight>;
  /** Has the distribution a newer release of a package. */
  update(...packages: readonly string[]): Promise<void>;
  /** Path of the generic-cloud image of a build. */
  imageOf(night: LabNight): Promise<string>;
  /** Ends the web server and removes the folder. */
  stop(): Promise<void>;
}

/** @param name part of the name of its folder */
export async function labProject(name: string): Promise<LabProject> {
  const dir = await mkdtemp(join(tmpdir(), `atomic-nightly-${name}-`));
  const published = join(dir, 'published');
  await mkdir(published);
  const server = await serveFolder({ root: published });
  const { treefile } = await testLab(join(dir, 'lab'), server.url, testTask(dir));
  const cli = (...args: readonly string[]) => runCli(dir, args);
  const must = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await cli(...args);
    expect(code, stderr).toBe(0);
    return stdout;
  };
  return {
    ...{ dir, published, server, treefile, cli, must },
    async configure(stream, blocks = []) {
      const head = [
        ...['name: lab-atomic-host', 'work: ./work', 'targets:'],
        `  buildlogs: {type: directory, path: ${published}, url: '${server.url}'}`,
        ...blocks,
        ...['streams:', '  nightly:', '    treefile: lab/lab-atomic-host.yaml'],
        ...['    ref: lab-atomic-host/${basearch}/nightly', '    seed: {allow-new: true}', '    targets: [buildlogs]'],
        '    remote: {name: lab-atomic}',
      ];
      const text = [...head, ...stream.map((line) => `    ${line}`), ''].join('\n');
      await writeFile(join(dir, 'atomic-nightly.yaml'), text);
    },
    async night() {
      const { build, commit } = JSON.parse(await must('nightly', '--json'));
      return { version: build, commit };
    },
    async update(...packages) {
      await updateLab({ dir: join(dir, 'lab'), packages }, testTask(dir));
    },
    async imageOf({ version }) {
      const folder = join(dir, 'work/builds', version, 'x86_64');
      const { images } = JSON.parse(await readFile(join(folder, 'meta.json'), 'utf8'));
      return join(folder, images['generic-cloud'].path);
    },
    async stop() {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
