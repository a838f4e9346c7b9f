import { randomBytes } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import type { S3TargetConfig } from '../../src/config/config.ts';
import type { Radosgw, S3Keys } from './radosgw.ts';

/** A fresh bucket that anybody may read, as a publisher's is. */
export interface TestBucket {
  readonly config: S3TargetConfig;
  /** The owner's own client, for looking at what is there. */
  readonly client: S3Client;
  /** A file of the target as the owner finds it; `content` in Latin 1, so that any byte is one character. */
  look(path: string): Promise<TestObject>;
}

export interface TestObject {
  readonly content: string;
  readonly cache: string | undefined;
  readonly type: string | undefined;
}

const PREFIX = 'some/where';

/** @param through stands before the gateway, when something does: what the target's requests go to. */
export async function makeBucket({ endpoint, owner }: Radosgw, through = endpoint): Promise<TestBucket> {
  const sdk = await import('@aws-sdk/client-s3');
  const client = await clientOf(endpoint, owner);
  const Bucket = `test-${randomBytes(6).toString('hex')}`;
  await client.send(new sdk.CreateBucketCommand({ Bucket }));
  const anybody = { Effect: 'Allow', Principal: '*' };
  const Statement = [
    { ...anybody, Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` },
    { ...anybody, Action: 's3:ListBucket', Resource: `arn:aws:s3:::${Bucket}` },
  ];
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  await client.send(new sdk.PutBucketPolicyCommand({ Bucket, Policy }));
  const config: S3TargetConfig = {
    type: 's3',
    name: 'bucket',
    bucket: Bucket,
    prefix: PREFIX,
    endpoint: through,
    region: 'us-east-1',
    parallel: 16,
    url: `${endpoint}/${Bucket}/${PREFIX}`,
  };
  const look = async (path: string): Promise<TestObject> => {
    const answer = await client.send(new sdk.GetObjectCommand({ Bucket, Key: `${PREFIX}/${path}` }));
    const content = (await answer.Body?.transformToString('latin1')) ?? '';
    return { content, cache: answer.CacheControl, type: answer.ContentType };
  };
  return { config, client, look };
}

async function clientOf(endpoint: string, { accessKey, secretKey }: S3Keys): Promise<S3Client> {
  const sdk = await import('@aws-sdk/client-s3');
  return new sdk.S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
}
