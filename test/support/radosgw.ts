import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pRetry from 'p-retry';
import { inject } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { type RunningProcess, run, start } from '../../src/programs/exec.ts';
import { untilListening } from './sshd.ts';

/** Ceph's S3 gateway, as Debian has it: the only free server of that kind that is packaged there. */
export interface Radosgw {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  readonly owner: S3Keys;
  /** A user who has no right to the owner's buckets. */
  readonly stranger: S3Keys;
}

export interface S3Keys {
  readonly accessKey: string;
  readonly secretKey: string;
}

const PROGRAMS = ['ceph-authtool', 'ceph-mon', 'ceph-osd', 'monmaptool', 'ceph', 'radosgw', 'radosgw-admin'];

/** Why there can be no gateway here; undefined when there can. */
export function whyNoRadosgw(): string | undefined {
  const missing = PROGRAMS.filter((program) => !existsSync(`/usr/bin/${program}`));
  return missing.length === 0 ? undefined : `${missing.join(', ')} missing: run scripts/bootstrap.sh --tests`;
}

/**
 * The one gateway of a test run: begun by whoever asks first (12 s), ended by the run (global-setup.ts). Its owner's keys
 * are in the environment, where the SDK looks for them.
 */
export async function sharedRadosgw(): Promise<Radosgw> {
  const answer = await fetch(`http://127.0.0.1:${inject('radosgwPort')}`);
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  const gateway: Radosgw = JSON.parse(text);
  useKeys(gateway.owner);
  return gateway;
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Where `serveRadosgw` answers. */
    radosgwPort: number;
  }
}

/** Answers every request with where the gateway is, which the first one begins. */
export async function serveRadosgw(): Promise<{ port: number; stop: () => Promise<void> }> {
  let begun: ReturnType<typeof launchRadosgw> | undefined;
  const server = createServer(async (_, answer) => {
    begun ??= launchRadosgw();
    try {
      answer.end(JSON.stringify((await begun).gateway));
    } catch (error) {
      answer.writeHead(500).end(String(error));
    }
  });
  const port = await freePort();
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
  const stop = async (): Promise<void> => {
    server.close();
    server.closeAllConnections();
    await (await begun?.catch(() => undefined))?.stop();
  };
  return { port, stop };
}

/** Puts keys into this process's environment; undefined: none are to be found anywhere. */
export function useKeys(keys: S3Keys | undefined): void {
  // Nobody answers at the address of a cloud's metadata service here, and asking takes seconds.
  process.env['AWS_EC2_METADATA_DISABLED'] = 'true';
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';
  for (const [name, value] of [
    ['AWS_ACCESS_KEY_ID', keys?.accessKey],
    ['AWS_SECRET_ACCESS_KEY', keys?.secretKey],
  ] as const) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

/** A monitor, one storage daemon that keeps everything in memory, and the gateway; all state in one folder. */
export async function launchRadosgw(): Promise<{ gateway: Radosgw; stop: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-radosgw-'));
  const at = (name: string): string => join(dir, name);
  const running: RunningProcess[] = [];
  const stop = async (): Promise<void> => {
    // The gateway first: it waits for the others to answer.
    for (const server of running.reverse()) await server.stop(1000);
    await rm(dir, { recursive: true, force: true });
  };
  try {
    const [monitorPort, port] = [await freePort(), await freePort()];
    const uuid = async (): Promise<string> => (await readFile('/proc/sys/kernel/random/uuid', 'utf8')).trim();
    const fsid = await uuid();
    for (const name of ['mon', 'osd', 'run']) await mkdir(at(name));
    await writeFile(at('ceph.conf'), configuration(dir, fsid, monitorPort, port));
    const env = { CEPH_CONF: at('ceph.conf') };
    const ceph = (program: string, ...args: string[]) =>
      pRetry(() => run(program, args, { env, timeoutMs: 45_000 }), {
        retries: 5,
        minTimeout: 200,
        shouldRetry: tooEarly,
      });
    const serve = async (program: string, ...args: string[]): Promise<RunningProcess> => {
      const server = await start(program, [...args, '-f'], { env });
      running.push(server);
      return server;
    };
    const allow = ['mon', 'osd', 'mgr'].flatMap((what) => ['--cap', what, 'allow *']);
    for (const [name, create] of [
      ['mon.', ['-C']],
      ['client.admin', []],
    ] as const) {
      await ceph('ceph-authtool', ...create, at('keyring'), '--gen-key', '-n', name, ...allow);
    }
    const address = `[v1:127.0.0.1:${monitorPort}]`;
    await ceph('monmaptool', '--create', '--fsid', fsid, '--addv', 'a', address, at('monmap'));
    await ceph('ceph-mon', '-i', 'a', '--mkfs', '--monmap', at('monmap'), '--keyring', at('keyring'));
    await serve('ceph-mon', '-i', 'a');
    const disk = await uuid();
    await ceph('ceph', 'osd', 'new', disk);
    await ceph('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', disk);
    await untilServing(
      () => serve('ceph-osd', '-i', '0'),
      async () => / [1-9]\d* up/.test((await ceph('ceph', 'osd', 'stat')).stdout),
    );
    const user = async (name: string): Promise<S3Keys> => {
      const keys = { accessKey: `${name.toUpperCase()}KEY`, secretKey: `${name}-5ecret` };
      const given = ['--access-key', keys.accessKey, '--secret-key', keys.secretKey];
      await ceph('radosgw-admin', 'user', 'create', '--uid', name, '--display-name', name, ...given);
      return keys;
    };
    const owner = await user('owner');
    const stranger = await user('stranger');
    await serve('radosgw', '-n', 'client.rgw');
    await untilListening(port);
    return { gateway: { endpoint: `http://127.0.0.1:${port}`, owner, stranger }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * On a busy machine any of Ceph's programs may ask the monitor before it has been told which cluster that is, and is
 * refused: "wrong fsid", EPERM.
 */
const tooEarly = ({ error }: { readonly error: Error }): boolean => error.message.includes('EPERM');

/** The storage daemon ends when that happens to it, and whoever wants to store something would wait for ever. */
async function untilServing(launch: () => Promise<RunningProcess>, isUp: () => Promise<boolean>): Promise<void> {
  const until = Date.now() + 60_000;
  while (Date.now() < until) {
    const daemon = await launch();
    let ended = false;
    void daemon.exited.then(() => {
      ended = true;
    });
    while (!ended && Date.now() < until) {
      if (await isUp()) return;
      await pause(200);
    }
  }
  throw new Error('the storage daemon does not come up');
}

function configuration(dir: string, fsid: string, monitorPort: number, port: number): string {
  const settings = {
    fsid,
    mon_host: `[v1:127.0.0.1:${monitorPort}]`,
    public_addr: '127.0.0.1',
    cluster_addr: '127.0.0.1',
    auth_cluster_required: 'none',
    auth_service_required: 'none',
    auth_client_required: 'none',
    keyring: join(dir, 'keyring'),
    run_dir: join(dir, 'run'),
    admin_socket: '',
    log_file: join(dir, '$name.log'),
    mon_data: join(dir, 'mon'),
    mon_allow_pool_size_one: 'true',
    mon_max_pg_per_osd: '1000',
    // A developer's disk that is nearly full is no reason to stop.
    mon_data_avail_crit: '0',
    osd_data: join(dir, 'osd'),
    osd_objectstore: 'memstore',
    memstore_device_bytes: String(2 ** 31),
    osd_crush_chooseleaf_type: '0',
    osd_pool_default_size: '1',
    osd_pool_default_min_size: '1',
    osd_pool_default_pg_num: '8',
    osd_pool_default_pg_autoscale_mode: 'off',
    rgw_data: join(dir, 'rgw'),
    rgw_frontends: `beast endpoint=127.0.0.1:${port}`,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  return `[global]\n${lines.join('\n')}\n`;
}
