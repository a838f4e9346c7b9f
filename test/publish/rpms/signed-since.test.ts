import { stat } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { pick, rpmsMaterial, rpmsWorld } from '../../support/rpms-world.ts';
import { KINDS } from '../../support/target-beds.ts';

const material = rpmsMaterial();

describe.each(KINDS)('on a target of type %s', (_kind, open) => {
  it('C4, C5: a package that was signed since, of the same size, reaches clients, and those of before keep theirs', async () => {
    const { unsigned, signed } = material();
    const { publish, retire, use, look, digest } = await rpmsWorld(material(), open);
    expect(await publish(unsigned)).toMatchObject({ changed: true, sent: 8 });
    for (const [index, { file }] of signed.entries()) {
      expect((await stat(file)).size).toBe((await stat(unsigned[index]?.file ?? '')).size);
    }
    const now = [...pick(signed, 0, 1, 2), ...pick(unsigned, 3)];
    const { paths, sent } = await publish(now, { day: 1 });
    expect(sent).toBe(6);
    await use(pick(now, 0, 1, 2));
    for (const one of pick(unsigned, 0, 4)) expect(await digest(one)).toBe(one.sha256);
    expect(paths.map(({ path }) => path)).toEqual([
      ...now.slice(0, 3).map(({ path, sha256 }) => path.replace(/(?=[^/]*$)/, `${sha256.slice(0, 16)}/`)),
      ...now.slice(3).map(({ path }) => path),
    ]);

    // What nothing names any more goes when its time is over, and not before.
    expect(await retire(3)).toEqual({ removed: [], waiting: 7 });
    const { removed } = await retire(4);
    expect(removed.filter((path) => path.endsWith('.rpm')).sort()).toEqual(
      pick(unsigned, 0, 1, 2, 4).map(({ path }) => path),
    );
    expect(removed.filter((path) => path.startsWith('repodata/'))).toHaveLength(3);
    for (const path of removed) expect(await look(path)).toBe(false);
    // A name that is free again is not free for other bytes: caches have it.
    const again = await publish([...now, ...pick(signed, 4)], { day: 5 });
    expect(again.paths[4]?.path).toContain(`/${signed[4]?.sha256.slice(0, 16)}/`);
    await use(pick(signed, 0, 1, 2, 4));
  });
});
