import { NightlyError } from '../../base/errors.ts';
import { proxyAnswer } from '../../base/proxies.ts';
import type { S3TargetConfig } from '../../config/config.ts';

/**
 * What goes wrong with S3. The SDK throws errors that carry the request's key id, its signature and what was signed, so
 * none of them leaves this file: messages are made of the error code and the server's own words (I11).
 */

/** What arrived is not what was sent. */
export class DamagedError extends Error {
  override readonly name = 'DamagedOnTheWay';
}

/** A refusal inside of an answer that as a whole says 200. */
export class RefusedError extends Error {
  readonly Code: string;

  constructor(code: string, message: string) {
    super(message);
    this.Code = code;
  }
}

/**
 * Returns the error code of S3 (`NoSuchKey`), of the system (`ECONNREFUSED`), or of the SDK
 * (`CredentialsProviderError`).
 */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if ('Code' in error && typeof error.Code === 'string') return error.Code;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error.name;
}

/** Returns the HTTP status of an answer; undefined when there was none. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined;
  const metadata = error.$metadata as { readonly httpStatusCode?: number };
  return metadata.httpStatusCode;
}

/** Whether the server answered that there is no such object. */
export const isMissing = (error: unknown): boolean => codeOf(error) === 'NoSuchKey';

/** Whether a conditional PUT was refused; on Amazon's, a file that is to match and is gone is "not found". */
export const isConditionLost = (error: unknown): boolean => statusOf(error) === 412 || isMissing(error);

const UNREACHABLE = ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN'];
const CUT = ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED', 'TimeoutError', 'IncompleteBody', 'RequestTimeout'];
// ConditionalRequestConflict is the answer to conditional PUTs that met; they are to be made again.
const BUSY = [
  'InternalError',
  'ServiceUnavailable',
  'SlowDown',
  'Throttling',
  'ConditionalRequestConflict',
  'OperationAborted',
  'BadDigest',
  'DamagedOnTheWay',
];

/** Whether no connection to the server could be made. */
export const isUnreachable = (error: unknown): boolean => UNREACHABLE.includes(codeOf(error));

/** Whether the same request may succeed a moment later. */
export function isPassing(error: unknown): boolean {
  const status = statusOf(error) ?? 0;
  if (status === 501) return false;
  return status >= 500 || status === 429 || [...UNREACHABLE, ...CUT, ...BUSY].includes(codeOf(error));
}

const NO_ACCESS = ['AccessDenied', 'AllAccessDisabled', 'AccountProblem', 'Forbidden'];
const WRONG_KEY = [
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'ExpiredToken',
  'InvalidToken',
  'TokenRefreshRequired',
];
const NO_KEY = ['CredentialsProviderError', 'TokenProviderError', 'ProviderError'];
const WRONG_REGION = ['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException'];
const FULL = ['QuotaExceeded', 'InsufficientCapacity', 'XMinioStorageFull', 'InsufficientStorage'];

/** Returns the failure of a request as it is shown to people. */
export function faultOf(error: unknown, what: string, config: S3TargetConfig): unknown {
  if (error instanceof NightlyError || !(error instanceof Error)) return error;
  const code = codeOf(error);
  const status = statusOf(error);
  // Neither the server's nor the network's: a fault of this program.
  const known = status !== undefined || 'code' in error || error instanceof RefusedError;
  if (!known && !isPassing(error) && !NO_KEY.includes(code)) return error;
  const { bucket, region } = config;
  const server = config.endpoint ?? 'Amazon S3';
  const answer = [...(status === undefined ? [] : [`HTTP ${status}`]), code, ...wordsOf(error, code)].join(', ');
  const why = `Target "${config.name}", bucket ${bucket} at ${server}: ${what}: ${answer}.`;
  const as = (
    kind: 'target-permission' | 'target-unreachable' | 'disk-full' | 'unsupported' | 'verify',
    hint: string,
  ) => new NightlyError(kind, why, { hint });
  if (NO_KEY.includes(code)) return credentialFault(error, config);
  if (status === 501 || code === 'NotImplemented') {
    return as('unsupported', 'Use a server that has this part of S3, or publish to another type of target.');
  }
  if (error instanceof DamagedError) {
    return as('verify', 'Find out what changes files on their way to that server; nothing names this one yet.');
  }
  if (code === 'NoSuchBucket') return as('target-unreachable', 'Make the bucket, or correct "bucket" and "endpoint".');
  if (code === 'RequestTimeTooSkewed')
    return as('target-permission', "Set this machine's clock; S3 allows 15 minutes.");
  if (WRONG_KEY.includes(code)) {
    return as('target-permission', 'The server does not know these credentials; check the ones that are set here.');
  }
  if (WRONG_REGION.includes(code) || status === 301) {
    return as('target-unreachable', `The bucket is not in region ${region}; set "region" to its own.`);
  }
  if (FULL.includes(code) || status === 507) {
    return as('disk-full', 'Raise the quota or remove something there, then run "atomic-nightly resume".');
  }
  if (NO_ACCESS.includes(code) || status === 401 || status === 403) {
    const hint =
      'Give these credentials s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket there (docs/targets.md has the policy); without s3:ListBucket a file that is absent looks forbidden.';
    return as('target-permission', hint);
  }
  if (/CERT|ISSUER|UNABLE_TO_/.test(code)) {
    return as('target-unreachable', 'Name the authority of its certificate in "ca-file" of the target (a PEM file).');
  }
  if (status === 407) {
    const url = config.endpoint ?? `https://s3.${region}.amazonaws.com`;
    return new NightlyError('target-unreachable', `Target "${config.name}": ${what}: ${proxyAnswer(407, url)}.`, {
      hint: 'Correct the variable, or name the server in no_proxy to bypass the proxy.',
    });
  }
  if (isPassing(error)) {
    return as('target-unreachable', 'Check that the endpoint is right and runs; then run "atomic-nightly resume".');
  }
  return as('target-unreachable', 'Look the code up in the documentation of that server.');
}

/**
 * Returns what to tell where the credentials could not be had. What the SDK says of an answer that it could not read has part
 * of that answer in it, so none of it is told (I11).
 */
export function credentialFault(error: unknown, { name }: S3TargetConfig): NightlyError {
  const why = NO_KEY.includes(codeOf(error))
    ? 'there are no S3 credentials here'
    : 'what gives this machine its S3 credentials answered with none';
  return new NightlyError('target-permission', `Target "${name}": ${why}.`, {
    hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run on a machine with a role; docs/targets.md lists the ways.',
  });
}

/** The SDK says "UnknownError" where the server said nothing. */
function wordsOf(error: Error, code: string): string[] {
  const words = error.message.trim().replace(/\.$/, '');
  return words === '' || words === 'UnknownError' || words === code ? [] : [words];
}
