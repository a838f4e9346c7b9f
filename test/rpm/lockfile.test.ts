import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Lockfile, parseLockfile, readLockfile, sameLockfile, writeLockfile } from '../../src/rpm/lockfile.ts';
import { temporaryFolder } from '../support/tmp.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const lockfile: Lockfile = {
  packages: { zsh: { evra: '5.8-1.x86_64', digest }, app: { evra: '1:3.0-1.x86_64' } },
  metadata: {
    generated: '2026-11-21T02:40:54Z',
    rpmmd_repos: { base: { generated: '2026-11-20T00:00:00Z' } },
  },
};

describe('lockfile', () => {
  it('is read as it was written, with its packages sorted', async () => {
    const path = join(temporaryFolder(), 'lock.json');
    await writeLockfile(path, lockfile);
    expect(await readLockfile(path)).toEqual(lockfile);
    expect(Object.keys(JSON.parse(await readFile(path, 'utf8')).packages)).toEqual(['app', 'zsh']);
  });

  it('names every fault of one that is none', () => {
    const text = JSON.stringify({ packages: { app: { evra: '3.0' }, b: { evra: '1-1.noarch', digest: 'md5:1' } } });
    expect(() => parseLockfile(text, '/x/lock.json')).toThrow(/lock\.json is not an rpm-ostree lockfile/);
    expect(() => parseLockfile('{', '/x/lock.json')).toThrow(/not JSON/);
    expect(() => parseLockfile('{"packages":{"app":{"evr":"3-1"}}}', '/x')).toThrow(/without an architecture/);
  });

  it('says that there is none', async () => {
    await expect(readLockfile('/nonexistent/lock.json')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('compares by packages, not by when it was made', () => {
    expect(sameLockfile(lockfile, { packages: lockfile.packages })).toBe(true);
    expect(sameLockfile(lockfile, { packages: { app: { evra: '1:3.0-1.x86_64' } } })).toBe(false);
    const other = { ...lockfile.packages, app: { evra: '1:3.0-2.x86_64' } };
    expect(sameLockfile(lockfile, { packages: other })).toBe(false);
  });
});
