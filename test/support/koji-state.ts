import { createHash } from 'node:crypto';
import type { XmlRpcValue } from '../../src/koji/xml-rpc-value.ts';

/**
 * What the stand-in hub knows: tables as koji has them. Records never change; a transaction works on a copy of the tables,
 * which becomes the state when it is committed.
 */

export interface StateRpm {
  readonly id: number;
  readonly name: string;
  readonly version: string;
  readonly release: string;
  readonly epoch: number | null;
  readonly arch: string;
  readonly buildId: number;
  readonly size: number;
  readonly payloadhash: string;
  readonly buildtime: number;
  /** Signature header of the unsigned file. */
  readonly header: Buffer;
}

export interface StateBuild {
  readonly id: number;
  readonly name: string;
  readonly version: string;
  readonly release: string;
  readonly epoch: number | null;
  readonly volume: string;
  readonly owner: string;
}

interface Versioned {
  readonly createEvent: number;
  readonly revokeEvent: number | null;
}

export interface Listing extends Versioned {
  readonly tagId: number;
  readonly buildId: number;
  readonly creator: string;
  readonly revoker: string | null;
}

export class Fault extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export class KojiState {
  events: { readonly id: number; readonly ts: number }[] = [{ id: 1, ts: 1_795_888_000.25 }];
  tags = new Map<number, string>();
  tagConfigs: (Versioned & { readonly tagId: number; readonly arches: string | null; readonly locked: boolean })[] = [];
  blocks: (Versioned & { readonly tagId: number; readonly name: string })[] = [];
  builds = new Map<number, StateBuild>();
  rpms = new Map<number, StateRpm>();
  listings: Listing[] = [];
  /** By rpm id and key: `8/bfcdd224`. */
  signatures = new Map<string, Buffer>();

  copy(): KojiState {
    const made = new KojiState();
    made.events = [...this.events];
    made.tags = new Map(this.tags);
    made.tagConfigs = [...this.tagConfigs];
    made.blocks = [...this.blocks];
    made.builds = new Map(this.builds);
    made.rpms = new Map(this.rpms);
    made.listings = [...this.listings];
    made.signatures = new Map(this.signatures);
    return made;
  }

  /** A new event, which every change has. */
  event(): number {
    const last = this.events.at(-1) ?? { id: 0, ts: 0 };
    this.events.push({ id: last.id + 1, ts: last.ts + 1.125 });
    return last.id + 1;
  }

  lastEvent(): { id: number; ts: number } {
    return this.events.at(-1) ?? { id: 0, ts: 0 };
  }

  tagId(tag: XmlRpcValue): number {
    for (const [id, name] of this.tags) if (name === tag || id === tag) return id;
    throw new Fault(1000, `No such tagInfo: '${String(tag)}'`);
  }

  tagInfo(tagId: number, event?: number): { readonly [name: string]: XmlRpcValue } | null {
    const config = this.tagConfigs.find((one) => one.tagId === tagId && isActive(one, event));
    if (!config) return null;
    return {
      arches: config.arches,
      id: tagId,
      locked: config.locked,
      maven_include_all: false,
      maven_support: false,
      name: this.tags.get(tagId) ?? '',
      perm: null,
      perm_id: null,
    };
  }

  tagged(tagId: number, event?: number): Listing[] {
    const blocked = new Set(
      this.blocks.filter((one) => one.tagId === tagId && isActive(one, event)).map((b) => b.name),
    );
    return this.listings
      .filter((one) => one.tagId === tagId && isActive(one, event))
      .filter(({ buildId }) => !blocked.has(this.build(buildId).name))
      .sort((a, b) => b.createEvent - a.createEvent);
  }

  build(nvr: XmlRpcValue): StateBuild {
    for (const build of this.builds.values()) if (build.id === nvr || nvrOf(build) === nvr) return build;
    throw new Fault(1000, `No such build: '${String(nvr)}'`);
  }

  rpm(rpm: XmlRpcValue): StateRpm {
    if (typeof rpm === 'number') {
      const found = this.rpms.get(rpm);
      if (found) return found;
    }
    for (const one of this.rpms.values()) if (nvraOf(one) === rpm) return one;
    throw new Fault(1000, `No such rpm: ${String(rpm)}`);
  }

  revoke<Row extends Versioned>(rows: Row[], which: (row: Row) => boolean, change: Partial<Row>): Row[] {
    return rows.map((row) => (row.revokeEvent === null && which(row) ? { ...row, ...change } : row));
  }

  /** Keys of an RPM's signatures, the unsigned header first. */
  keysOf(rpmId: number): string[] {
    const prefix = `${rpmId}/`;
    const keys = [...this.signatures.keys()].filter((key) => key.startsWith(prefix));
    return ['', ...keys.map((key) => key.slice(prefix.length))];
  }

  sighash(rpm: StateRpm, key: string): string {
    const header = key === '' ? rpm.header : (this.signatures.get(`${rpm.id}/${key}`) ?? Buffer.alloc(0));
    return createHash('md5').update(header).digest('hex');
  }
}

const isActive = ({ createEvent, revokeEvent }: Versioned, event: number | undefined): boolean =>
  event === undefined ? revokeEvent === null : createEvent <= event && (revokeEvent === null || revokeEvent > event);

export const nvrOf = ({ name, version, release }: Pick<StateBuild, 'name' | 'version' | 'release'>): string =>
  `${name}-${version}-${release}`;

export const nvraOf = (rpm: Pick<StateRpm, 'name' | 'version' | 'release' | 'arch'>): string =>
  `${nvrOf(rpm)}.${rpm.arch}`;
