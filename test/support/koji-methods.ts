import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { signaturePath, signedPath, unsignedPath } from '../../src/koji/koji-files.ts';
import type { XmlRpcValue } from '../../src/koji/xml-rpc-value.ts';
import { sigmd5Of, signatureKeyId } from './koji-signature.ts';
import { Fault, type KojiState, type Listing, nvraOf, nvrOf, type StateBuild, type StateRpm } from './koji-state.ts';

/** Who calls: undefined without a login. */
export interface Caller {
  readonly name: string;
  readonly id: number;
  readonly permissions: readonly string[];
}

export interface Call {
  readonly state: KojiState;
  readonly caller: Caller | undefined;
  readonly topdir: string;
  /** Positional arguments. */
  readonly args: readonly XmlRpcValue[];
  /** Arguments by name. */
  readonly named: { readonly [name: string]: XmlRpcValue };
}

type Method = (call: Call) => XmlRpcValue | Promise<XmlRpcValue>;

const eventOf = ({ named }: Call): number | undefined =>
  typeof named['event'] === 'number' ? named['event'] : undefined;

const time = '2026-11-28 17:42:21.541231+00:00';

function taggedBuild(state: KojiState, { tagId, buildId, createEvent }: Listing): { [name: string]: XmlRpcValue } {
  const build = state.build(buildId);
  return {
    ...{
      build_id: build.id,
      completion_time: time,
      create_event: createEvent,
      creation_event_id: 1,
      creation_time: time,
    },
    ...{ draft: false, epoch: build.epoch, id: build.id, name: build.name, nvr: nvrOf(build), owner_id: 1 },
    ...{ owner_name: build.owner, package_id: 1, package_name: build.name, promoter_id: null, promoter_name: null },
    ...{ promotion_time: null, release: build.release, start_time: time, state: 1, tag_id: tagId },
    ...{ tag_name: state.tags.get(tagId) ?? '', task_id: null, version: build.version, volume_id: 0 },
    volume_name: build.volume,
  };
}

const rpmRow = (rpm: StateRpm, sigkey: string): XmlRpcValue => ({
  ...{ arch: rpm.arch, build_id: rpm.buildId, buildroot_id: null, buildtime: rpm.buildtime, draft: false },
  ...{ epoch: rpm.epoch, id: rpm.id, metadata_only: false, name: rpm.name, payloadhash: rpm.payloadhash },
  ...{ release: rpm.release, sigkey, size: rpm.size, version: rpm.version },
});

function historyRow(state: KojiState, one: Listing): XmlRpcValue {
  const build = state.build(one.buildId);
  const ts = (event: number | null) => state.events.find(({ id }) => id === event)?.ts ?? null;
  return {
    ...{ active: one.revokeEvent === null ? true : null, 'build.state': 1, build_id: build.id },
    ...{ create_event: one.createEvent, create_ts: ts(one.createEvent), creator_id: 1, creator_name: one.creator },
    ...{ epoch: build.epoch, name: build.name, release: build.release, revoke_event: one.revokeEvent },
    ...{ revoke_ts: ts(one.revokeEvent), revoker_id: one.revoker === null ? null : 1, revoker_name: one.revoker },
    ...{ 'tag.name': state.tags.get(one.tagId) ?? '', tag_id: one.tagId, version: build.version },
  };
}

function requirePermission({ caller }: Call, permission: string): Caller {
  const who = caller ? `logged in as ${caller.name}` : 'user not logged in';
  if (!caller?.permissions.includes(permission)) throw new Fault(1004, `${permission} permission required (${who})`);
  return caller;
}

async function addRpmSig(call: Call): Promise<XmlRpcValue> {
  requirePermission(call, 'sign');
  const { state, args } = call;
  const rpm = state.rpm(args[0] ?? null);
  const header = Buffer.from(String(args[1]), 'base64');
  const md5 = sigmd5Of(header);
  if (md5 !== rpm.payloadhash) throw new Fault(1000, `wrong md5 for ${nvraOf(rpm)}: ${md5}`);
  const key = await signatureKeyId(header);
  if (state.keysOf(rpm.id).includes(key)) {
    throw new Fault(1000, `Signature already exists for package ${nvraOf(rpm)}, key ${key}`);
  }
  state.signatures.set(`${rpm.id}/${key}`, header);
  await put(join(call.topdir, signaturePath(place(state, rpm), rpm, key)), header);
  return null;
}

async function writeSignedRpm(call: Call): Promise<XmlRpcValue> {
  requirePermission(call, 'sign');
  const { state, args, topdir } = call;
  const rpm = state.rpm(args[0] ?? null);
  const key = String(args[1]);
  const header = state.signatures.get(`${rpm.id}/${key}`);
  if (!header) throw new Fault(1000, `No cached signature for package ${nvraOf(rpm)}, key ${key}`);
  const build = place(state, rpm);
  const unsigned = await readFile(join(topdir, unsignedPath(build, rpm))).catch(() => {
    throw new Fault(1000, `No such file: ${unsignedPath(build, rpm)}`);
  });
  // As koji does: the one header in the place of the other, with the padding that each brings.
  const start = 96 + rpm.header.length;
  await put(
    join(topdir, signedPath(build, rpm, key)),
    Buffer.concat([unsigned.subarray(0, 96), header, unsigned.subarray(start)]),
  );
  return null;
}

const place = (state: KojiState, rpm: StateRpm) => placeOf(state.build(rpm.buildId));

export const placeOf = ({ name, version, release, volume }: StateBuild) => ({
  name,
  version,
  release,
  volume_name: volume,
});

async function put(path: string, bytes: Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
}

/** What koji's hub has under these names, as far as it is asked for. */
export const KOJI_METHODS: Readonly<Record<string, Method>> = {
  getAPIVersion: () => 1,
  getKojiVersion: () => '1.35.3',
  getLastEvent: ({ state, named }) => {
    const before = named['before'];
    return typeof before === 'number' ? (state.events.findLast(({ ts }) => ts < before) ?? null) : state.lastEvent();
  },
  listTags: ({ state, named }) => {
    const pattern = String(named['pattern'] ?? '*').replace(/[.+^${}()|[\]\\]/g, '\\$&');
    const fits = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
    return [...state.tags].filter(([, name]) => fits.test(name)).flatMap(([id]) => state.tagInfo(id) ?? []);
  },
  getTag: (call) => {
    const [id] = [...call.state.tags].find(([, name]) => name === call.args[0]) ?? [];
    const info = id === undefined ? null : call.state.tagInfo(id, eventOf(call));
    return info && { ...info, extra: {} };
  },
  getBuildConfig: (call) => {
    const info = call.state.tagInfo(call.state.tagId(call.args[0] ?? null), eventOf(call));
    const inheritance = { extra: {}, arches: null };
    return info && { ...info, extra: {}, query_event: eventOf(call) ?? null, config_inheritance: inheritance };
  },
  listTagged: (call) =>
    call.state.tagged(call.state.tagId(call.args[0] ?? null), eventOf(call)).map((one) => taggedBuild(call.state, one)),
  listTaggedRPMS: (call) => {
    const { state, named } = call;
    const listings = state.tagged(state.tagId(call.args[0] ?? null), eventOf(call));
    const builds = new Set(listings.map(({ buildId }) => buildId));
    const rpms = [...state.rpms.values()].filter(({ buildId }) => builds.has(buildId));
    const rows = rpms.flatMap((rpm) => (named['rpmsigs'] ? state.keysOf(rpm.id) : ['']).map((key) => rpmRow(rpm, key)));
    return [rows, listings.map((one) => taggedBuild(state, one))];
  },
  queryHistory: ({ state, named }) => {
    const after = Number(named['afterEvent'] ?? 0);
    const tag = named['tag'] === undefined ? undefined : state.tagId(named['tag']);
    const rows = state.listings.filter(
      (one) => (tag === undefined || one.tagId === tag) && Math.max(one.createEvent, one.revokeEvent ?? 0) > after,
    );
    return { tag_listing: rows.map((one) => historyRow(state, one)) };
  },
  tagChangedSinceEvent: ({ state, args }) => {
    const [event, tags] = [Number(args[0]), new Set(Array.isArray(args[1]) ? args[1] : [])];
    const rows = [...state.listings, ...state.tagConfigs, ...state.blocks];
    return rows.some((one) => tags.has(one.tagId) && Math.max(one.createEvent, one.revokeEvent ?? 0) > event);
  },
  queryRPMSigs: ({ state, named }) => {
    const rpm = state.rpm(named['rpm_id'] ?? null);
    return state.keysOf(rpm.id).map((sigkey) => ({ rpm_id: rpm.id, sighash: state.sighash(rpm, sigkey), sigkey }));
  },
  getLoggedInUser: ({ caller }) => (caller ? { id: caller.id, name: caller.name, status: 0, usertype: 0 } : null),
  getPerms: (call) => {
    if (!call.caller) throw new Fault(1000, 'user not logged in');
    return [...call.caller.permissions];
  },
  addRPMSig: addRpmSig,
  writeSignedRPM: writeSignedRpm,
};
