import { existsSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { reasonOf } from '../../base/connection-faults.ts';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import { type HttpResponse, httpFetch } from '../../base/http.ts';
import { readRecord, recordFormat } from '../../base/read-record.ts';
import { type FilePurpose, readSecretFile } from '../../base/secret-file.ts';
import { loadConfig } from '../../config/load.ts';
import { makeToken } from '../../service/http/token.ts';
import { defineCommand, usageError } from '../define.ts';
import { flag, optional, text } from '../inputs.ts';
import { type Printer, printJson } from '../print.ts';

/** Time limit of the whole request; the service answers at once. */
const TIMEOUT_MS = 30_000;

const TOKEN_FILE: FilePurpose = {
  what: 'token file',
  code: 'usage',
  exposed: 'make a new token: "atomic-nightly trigger --new-token"',
  missing: 'Name the file that has the token alone with --token-file.',
};

export const trigger = defineCommand({
  name: 'trigger',
  section: 'Service',
  summary: 'ask a running service to start a nightly build, or to process a tag of koji again',
  arguments: {
    stream: optional('STREAM', 'nightly stream of the service, or the word "content"', 'stream'),
    tag: optional('TAG', 'after "content": the tag of koji to process again'),
  },
  options: {
    url: text(
      'URL',
      'URL of the service; default: where the service of the configuration listens, else http://127.0.0.1:8099',
    ),
    tokenFile: text('FILE', 'file that has only the token, readable by its owner only', { completes: 'file' }),
    newToken: flag('make a token, print it once, and add its hash to "service.trigger.token-hash-file"'),
    json: flag('for scripts'),
  },
  examples: [
    '(umask 077; atomic-nightly trigger --new-token > token)',
    'atomic-nightly trigger nightly --url https://nightly.example.org --token-file token',
    'atomic-nightly trigger content storage7-gluster-7-release --token-file token',
  ],
  async run({ stream, tag, url: named, tokenFile, newToken, json }, { config, print }) {
    if (newToken) return makeNewToken(config, json, print);
    if (stream === undefined) throw usageError('trigger', 'Name a stream, or make a token with --new-token.');
    if (tokenFile === undefined) throw usageError('trigger', 'A request needs a token: name its --token-file.');
    if (tag !== undefined && stream !== 'content') {
      throw usageError('trigger', `Only "content" takes a second word; "${tag}" is one too many.`);
    }
    const url = named ?? (await urlHere(config));
    return tag === undefined
      ? requestNight(stream, { url, tokenFile, json }, print)
      : requestTag(tag, { url, tokenFile, json }, print);
  },
});

/** Returns where the service of the configuration here is asked; a machine that only asks has none. */
async function urlHere(configPath: string): Promise<string> {
  if (!existsSync(configPath)) return 'http://127.0.0.1:8099';
  const { host, port } = (await loadConfig(configPath)).service.listen;
  const near = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return `http://${near.includes(':') ? `[${near}]` : near}:${port}`;
}

const ANSWER = recordFormat({
  schema: z.looseObject({ begins: z.iso.datetime() }),
  hint: 'Is it "atomic-nightly serve" that answers there?',
});

interface RequestOptions {
  readonly url: string;
  readonly tokenFile: string;
  readonly json: boolean;
}

/**
 * Asks a service to begin a night. Gives the exit code.
 * @throws NightlyError `usage` when the service refuses, `target-unreachable` when it cannot be reached.
 */
async function requestNight(stream: string, options: RequestOptions, print: Printer): Promise<number> {
  const { url, answer } = await request(encodeURIComponent(stream), options);
  if (options.json) print(answer);
  else print(`${stream} begins at ${readRecord(answer, ANSWER, `The answer of ${url}`).begins}`);
  return 0;
}

/** Asks a service to process a tag again. Gives the exit code. @throws NightlyError as `requestNight`. */
async function requestTag(tag: string, options: RequestOptions, print: Printer): Promise<number> {
  const { answer } = await request(`content/${encodeURIComponent(tag)}`, options);
  print(options.json ? answer : `${tag} is processed again; "atomic-nightly content show ${tag}" says how it went`);
  return 0;
}

async function request(
  what: string,
  options: RequestOptions,
): Promise<{ readonly url: string; readonly answer: string }> {
  const token = (await readSecretFile(options.tokenFile, TOKEN_FILE)).toString('utf8').trim();
  const url = `${options.url.replace(/\/+$/, '')}/trigger/${what}`;
  const response = await ask(url, token);
  const answer = await response.text();
  if (response.status !== 202) throw refused(url, response.status, answer);
  return { url, answer };
}

async function ask(url: string, token: string): Promise<HttpResponse> {
  try {
    return await httpFetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    throw new NightlyError('target-unreachable', `The service does not answer at ${url}: ${reasonOf(error)}.`, {
      hint: 'Is "atomic-nightly serve" running there? "service.listen" says where; on loopback only this machine gets there.',
      cause: error,
    });
  }
}

function refused(url: string, status: number, answer: string): NightlyError {
  const hints: Readonly<Record<number, string>> = {
    401: 'The token is not among the hashes of "service.trigger.token-hash-file"; "trigger --new-token" makes one.',
    404: 'Is the stream, or a rule for the tag, in its configuration, and "service.trigger.token-hash-file" set?',
    409: 'Name a nightly stream; a service that stops takes requests again once it is back.',
    429: 'Wait a minute; the requested nightly build starts in any case.',
  };
  // A page for people says no more than its status.
  const why = /^\s*</.test(answer) ? '' : ` ${answer.trim().slice(0, 200)}`;
  return new NightlyError('usage', `The service refused ${url}: ${status}${why}`, {
    hint: hints[status] ?? 'The log of the service says more.',
  });
}

/**
 * Prints a new token, and adds its hash to the file that the service looks into.
 * @throws NightlyError `config` when the configuration names no such file.
 */
async function makeNewToken(configPath: string, json: boolean, print: Printer): Promise<number> {
  const config = await loadConfig(configPath);
  const file = config.service.tokenHashFile;
  if (file === undefined) {
    throw new NightlyError('config', 'The configuration names no "service.trigger.token-hash-file".', {
      hint: 'Add it, as in "service: {trigger: {token-hash-file: ./trigger-tokens}}"; the file is made.',
    });
  }
  const { token, hash } = makeToken();
  await makeFolder(dirname(file));
  await appendFile(file, `${hash} ${new Date().toISOString().slice(0, 10)}\n`, { mode: 0o600 });
  if (json) printJson({ token, hash, file }, print);
  else print(token);
  return 0;
}
