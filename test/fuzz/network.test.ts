import { S3Client } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { dearmored, signaturePackets, signaturePacketsIn } from '../../src/base/openpgp-packets.ts';
import { timeIn } from '../../src/base/server-time.ts';
import { readTranscript } from '../../src/engines/rpm-ostree/output.ts';
import { keyfileGroup } from '../../src/ostree/keyfile.ts';
import { parseListLine } from '../../src/programs/rsync-listing.ts';
import { unmetNeeds } from '../../src/rpm/depsolve-problems.ts';
import { readPasswords } from '../../src/service/events/mosquitto-passwords.ts';
import { followPackets } from '../../src/service/events/mqtt-frames.ts';
import { coversFilter, matchesTopic, streamOfTopic } from '../../src/service/events/topic.ts';
import { bearerToken } from '../../src/service/http/token.ts';
import { parseFromListener } from '../../src/service/listener/messages.ts';
import { isPlainPath } from '../../src/targets/plain-paths.ts';
import type { Bucket } from '../../src/targets/s3/s3-client.ts';
import { listObjects } from '../../src/targets/s3/s3-keys.ts';
import { fuzz, fuzzAsync, mutatedBytes, mutatedJson, mutatedText } from '../support/fuzz.ts';
import { testTask } from '../support/tmp.ts';

const encoded = (text: string): string => Buffer.from(text).toString('base64');

describe('what servers and clients say', () => {
  it('listings of S3', async () => {
    const page = (more: string) =>
      `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>p/</Prefix><KeyCount>2</KeyCount><IsTruncated>false</IsTruncated>${more}<Contents><Key>p/a/1</Key><Size>12</Size><ETag>&quot;x&quot;</ETag></Contents><Contents><Key>p/b</Key><Size>0</Size></Contents></ListBucketResult>`;
    const samples = [
      page(''),
      page('').replace('false', 'true'),
      page('<NextContinuationToken>n</NextContinuationToken>'),
    ];
    const sdk = await import('@aws-sdk/client-s3');
    let answer: Uint8Array = Buffer.from('');
    const client = new S3Client({
      ...{ region: 'us-east-1', endpoint: 'http://127.0.0.1:1', forcePathStyle: true, maxAttempts: 1 },
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      requestHandler: {
        handle: async () => ({
          response: { statusCode: 200, headers: { 'content-type': 'application/xml' }, body: answer },
        }),
      } as never,
    });
    const config = {
      type: 's3',
      name: 's',
      bucket: 'b',
      prefix: 'p',
      region: 'us-east-1',
      parallel: 1,
      url: 'http://x',
    } as const;
    /** What is no XML at all is the SDK's to refuse; s3-client.ts tells it as what the server said. */
    class NoXml extends Error {}
    const bucket: Bucket = {
      ...{ config, sdk, client },
      at: (path) => ({ Bucket: 'b', Key: `p/${path}` }),
      request: async (_, work) => {
        try {
          return await work();
        } catch (error) {
          throw new NoXml(String(error));
        }
      },
    };
    const task = testTask('/tmp');
    await fuzzAsync(
      mutatedBytes(samples),
      async (bytes) => {
        answer = bytes;
        const found: { path: string; bytes: number }[] = [];
        for await (const one of listObjects(bucket, 'a', task)) {
          found.push(one);
          if (found.length > 10_000) throw new TypeError('a listing without an end');
        }
        return found;
      },
      {
        refusals: [NoXml],
        check: (found) => {
          for (const { path, bytes } of found) {
            expect(isPlainPath(path)).toBe(true);
            expect(Number.isSafeInteger(bytes) && bytes >= 0).toBe(true);
          }
        },
      },
    );
  });

  it('packets of MQTT', () => {
    const connect = Buffer.from([0x10, 16, 0, 4, 77, 81, 84, 84, 4, 2, 0, 60, 0, 4, 116, 101, 115, 116]);
    const publish = Buffer.from([0x30, 7, 0, 3, 97, 47, 98, 104, 105]);
    fuzz(mutatedBytes([Buffer.concat([connect, publish]), publish]), (bytes) => {
      const follow = followPackets(() => 1000);
      for (let at = 0; at < bytes.length; at += 5) if (follow(bytes.subarray(at, at + 5)) !== undefined) return;
    });
  });

  it('topics and filters of MQTT', () => {
    fuzz(mutatedText(['atomic/nightly', 'a/+/c', '#', '$SYS/#']), (text) => {
      expect(streamOfTopic('atomic', text) ?? 'x').not.toMatch(/\//);
      return [
        matchesTopic(text, 'a/b/c'),
        matchesTopic('a/+', text),
        coversFilter(text, 'a/#'),
        coversFilter('#', text),
      ];
    });
  });

  it('password files of brokers, tokens, times of servers', () => {
    const password = `user:$7$101$${encoded('salt')}$${encoded('hash')}\n`;
    fuzz(mutatedText([password]), readPasswords);
    fuzz(mutatedText(['Bearer abc.DEF-123', 'bearer x']), (text) => bearerToken(text));
    fuzz(mutatedText(['Sun, 29 Nov 2026 07:13:23 GMT', '12']), (text) => timeIn({ get: () => text }), {
      check: (time) => expect(time === undefined || Number.isSafeInteger(time)).toBe(true),
    });
  });

  it('what the listening process asks', () => {
    const messages = [
      { id: 1, ask: 'trigger', stream: 'nightly', from: '127.0.0.1' },
      { tell: 'line', line: 'x' },
      { id: 2, ask: 'page', path: '/' },
    ];
    fuzz(mutatedJson(messages), (value) => parseFromListener(JSON.stringify(value) ?? ''));
    fuzz(mutatedText(messages.map((one) => JSON.stringify(one))), parseFromListener);
  });

  it('lines of rsync, of rpm-ostree and of dnf', () => {
    fuzz(mutatedText(['-rw-r--r--          1,234 2026/11/21 10:00:00 objects/ab/cd.\\#303\\#274']), parseListLine, {
      check: ({ bytes }) => expect(Number.isSafeInteger(bytes)).toBe(true),
    });
    const transcript = `Previous commit: ${'a'.repeat(64)}\nrpm-md repo 'base'; generated: 2026-11-21T02:40:54Z\nInstalling 2 packages:\n  app-1:3.0-1.x86_64 (base)\n  b-1-1.noarch (base)\nInput state hash: ${'b'.repeat(64)}\nWrote commit: ${'c'.repeat(64)}\n`;
    fuzz(mutatedText([transcript]), (text) => {
      const reader = readTranscript();
      for (const line of text.split('\n')) reader.line(line);
      return reader.transcript();
    });
    fuzz(
      mutatedText([
        'Problem: package a-1-1.x86_64 requires b >= 2, but none of the providers can be installed\n - nothing provides c needed by d-1-1.noarch',
      ]),
      unmetNeeds,
    );
  });

  it('configurations of repositories, signatures', () => {
    fuzz(mutatedText(['[core]\nrepo_version=1\nmode = archive-z2 \n[ex]\ncollection-id=org.x\n']), (text) =>
      keyfileGroup(text, 'core'),
    );
    const signature = Buffer.concat([Buffer.from([0x88, 4, 4, 0, 1, 2]), Buffer.from([0xc2, 3, 4, 0, 1])]);
    const armored = `-----BEGIN PGP SIGNATURE-----\n\n${encoded('\x88\x04\x04\x00\x01\x02')}\n=abcd\n-----END PGP SIGNATURE-----\n`;
    fuzz(mutatedBytes([signature, armored]), (bytes) => {
      signaturePacketsIn(bytes);
      return signaturePackets(dearmored(bytes));
    });
  });
});
