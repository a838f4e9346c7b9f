import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { statementOf } from '../../src/rebuild/rebuild-records.ts';
import { statementPath } from '../../src/rebuild/result-store.ts';
import { buildMiniRpm } from '../support/mini-rpm.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { rebuildWorld } from '../support/trust-world.ts';
import { runCli } from '../support/world.ts';

// Of Debian, as packages python3-securesystemslib and python3-cryptography: what in-toto's own programs verify with.
const PYTHON = '/usr/bin/python3';
const isThere = await run(PYTHON, ['-c', 'import securesystemslib.ecdsa_keys, cryptography']).then(
  () => true,
  () => false,
);

/** Reads envelopes by the specifications alone: DSSE 1.0 with its PAE, in-toto Statement v1. Prints a line of JSON each. */
const ORACLE = `
import base64, json, re, sys
from securesystemslib import ecdsa_keys, __version__

pem = open(sys.argv[1]).read()
for path in sys.argv[2:]:
    for line in open(path, 'rb').read().splitlines():
        envelope = json.loads(line)
        kind, payload = envelope['payloadType'], base64.b64decode(envelope['payload'], validate=True)
        pae = b'DSSEv1 %d %s %d %s' % (len(kind.encode()), kind.encode(), len(payload), payload)
        good = [ecdsa_keys.verify_signature(pem, 'ecdsa-sha2-nistp256', base64.b64decode(one['sig'], validate=True), pae)
                for one in envelope['signatures']]
        statement = json.loads(payload)
        assert kind == 'application/vnd.in-toto+json', kind
        assert set(statement) == {'_type', 'subject', 'predicateType', 'predicate'}, sorted(statement)
        assert statement['_type'] == 'https://in-toto.io/Statement/v1'
        assert statement['subject'] and isinstance(statement['predicate'], dict)
        for subject in statement['subject']:
            assert subject['digest'] and all(re.fullmatch('[0-9a-f]+', one) for one in subject['digest'].values())
        print(json.dumps({'by': 'securesystemslib ' + __version__, 'good': good, 'statement': statement}))
`;

interface Verified {
  readonly by: string;
  readonly good: readonly boolean[];
  readonly statement: {
    readonly subject: readonly { readonly name: string; readonly digest: Readonly<Record<string, string>> }[];
    readonly predicateType: string;
    readonly predicate: Readonly<Record<string, never>>;
  };
}

it.runIf(isThere)('I18: programs of others verify what we state of rebuilds, and refuse what was changed', async () => {
  const dir = temporaryFolder();
  const world = await rebuildWorld(dir);
  const rpm = (text: string) =>
    buildMiniRpm({
      ...{ name: 'hello', version: '1.0', release: '1', arch: 'x86_64' },
      files: [{ path: '/usr/bin/hello', text, mode: '0755' }],
    });
  const [honest, tampered] = [await rpm('honest'), await rpm('tampered')];
  const built = await world.submit({ builder: 'alpha', rpms: [honest] });
  const other = await world.submit({ builder: 'beta', rpms: [tampered] });
  const failed = await world.submit({ builder: 'alpha', rpms: [], source: 'another' });
  const pem = join(dir, 'own.pub');
  writeFileSync(
    pem,
    (await statementOf(world.config).signer.publicKey()).export({ type: 'spki', format: 'pem' }).toString(),
  );
  const oracle = async (key: string, ...files: readonly string[]): Promise<Verified[]> =>
    (await run(PYTHON, ['-c', ORACLE, key, ...files])).stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));

  const pathOf = ({ result }: typeof built) => statementPath(world.config.work, result.job);
  const [ofBuilt, , ofFailed] = await oracle(pem, ...[built, other, failed].map(pathOf));
  // Both digests of the package, by rpm and by the file.
  const { stdout: header } = await run('rpm', ['-qp', '--nosignature', '--qf', '%{SHA256HEADER}', honest]);
  const sha256 = createHash('sha256').update(readFileSync(honest)).digest('hex');
  expect(ofBuilt).toMatchObject({
    good: [true],
    statement: {
      subject: [{ name: 'hello-1.0-1.x86_64.rpm', digest: { sha256, 'rpm-header-sha256': header } }],
      predicateType: 'https://slsa.dev/provenance/v1',
      predicate: {
        buildDefinition: { buildType: 'urn:atomic-nightly:rebuild:1', internalParameters: { outcome: 'built' } },
        runDetails: {
          builder: { id: 'urn:atomic-nightly:builder:one.example:alpha' },
          metadata: { invocationId: built.result.job },
        },
      },
    },
  });
  expect(ofFailed).toMatchObject({
    good: [true],
    statement: { predicate: { buildDefinition: { internalParameters: { outcome: 'failed' } } } },
  });

  const [id = ''] = other.disputes;
  const words = ['--by', 'Jane Doe', '--verdict', 'tampered', '--builder', 'beta', '--note', 'another program'];
  const resolved = await runCli(dir, ['disputes', 'resolve', id, ...words]);
  expect(resolved, resolved.stderr).toMatchObject({ code: 0 });
  const draws = join(dir, 'draws.intoto.jsonl');
  expect(await runCli(dir, ['builders', 'draws', '--publish', draws])).toMatchObject({ code: 0 });
  const verdicts = join(world.config.work, 'rebuild/disputes', id, 'verdicts.intoto.jsonl');
  const ours = await oracle(pem, verdicts, draws);
  expect(ours.map(({ good, statement }) => [good, statement.predicateType])).toEqual([
    [[true], 'urn:atomic-nightly:rebuild-verdict:1'],
    [[true], expect.stringMatching(/^urn:atomic-nightly:.*draws/)],
  ]);

  // A word of it is another; or it is of another key.
  const changed = join(dir, 'changed.intoto.jsonl');
  const envelope = JSON.parse(readFileSync(pathOf(failed), 'utf8'));
  const payload = Buffer.from(envelope.payload, 'base64').toString().replace('"failed"', '"built"');
  writeFileSync(changed, JSON.stringify({ ...envelope, payload: Buffer.from(payload).toString('base64') }));
  expect((await oracle(pem, changed)).map(({ good }) => good)).toEqual([[false]]);
  expect((await oracle(join(dir, 'alpha.pem'), pathOf(built))).map(({ good }) => good)).toEqual([[false]]);
});
