import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { type Context, Hono } from 'hono';
import { contentType } from '../../base/content-types.ts';
import { isErrno } from '../../base/files.ts';
import { errorAnswer } from '../http/error-answer.ts';
import type { ServiceLog } from '../service-log.ts';
import { readByteRange } from './byte-range.ts';
import { openPublished, requestedPath } from './published-file.ts';
import { type Conditions, isUnchanged, rangeApplies, type Validators, validatorsOf } from './validators.ts';

/** Up to so many bytes a file is sent in one piece: most objects of a repository are smaller. */
const IN_ONE_PIECE = 64 * 1024;
/** Bytes of a larger file that are read ahead of its reader. */
const PIECE = 256 * 1024;

/**
 * What has one content for ever: objects of a repository but for the signatures of commits, packages, metadata of theirs whose
 * name is its digest, full tiles of a release log. All else is asked for anew each time, and mostly answered with 304.
 */
const IMMUTABLE =
  /^repo\/objects\/[0-9a-f]{2}\/[0-9a-f]{62}\.(filez|dirtree|dirmeta|commit)$|\.rpm$|(^|\/)repodata\/[0-9a-f]{32,}-[^/]+$|^log\/tile\/(?!.*\.p\/)/;

/**
 * Returns an app that serves the files below a folder: ranges, conditional requests, `index.html` for a folder that has one, and
 * no listing of any other. Nothing outside of the folder is reached, and nothing that a publisher keeps there for itself.
 * @param prefix path of the target's url, without a slash at its end
 */
export function filesApp(root: string, prefix: string, log: ServiceLog): Hono {
  const app = new Hono();
  app.use(async (c, next) => {
    c.header('x-content-type-options', 'nosniff');
    if (!URL.canParse(c.req.url)) return c.text('This is not an address.\n', 400);
    if (c.req.method === 'GET' || c.req.method === 'HEAD') return next();
    return c.text('Only GET and HEAD.\n', 405, { Allow: 'GET, HEAD' });
  });
  app.get('*', async (c) => {
    const { pathname } = new URL(c.req.url);
    if (pathname === prefix) return c.redirect(`${prefix}/`);
    const path = pathname.startsWith(`${prefix}/`) ? requestedPath(pathname.slice(prefix.length)) : undefined;
    if (path === undefined) return missing(c);
    try {
      return await answer(c, root, path);
    } catch (error) {
      if (isErrno(error, 'EACCES')) {
        log(`error: ${path} of ${root} cannot be read by the user that the service listens as`);
        return c.text('Forbidden.\n', 403);
      }
      if (isErrno(error, 'EMFILE')) return c.text('Too many files are open.\n', 503, { 'retry-after': '2' });
      throw error;
    }
  });
  app.onError(errorAnswer(log, 'the log of the service'));
  return app;
}

const missing = (c: Context) => c.text('There is no such file.\n', 404, { 'cache-control': 'no-cache' });

async function answer(c: Context, root: string, path: string): Promise<Response> {
  const isFolder = path === '' || path.endsWith('/');
  const name = isFolder ? `${path}index.html` : path;
  const file = await openPublished(root, name);
  if (!file) return missing(c);
  let isTaken = false;
  try {
    const stats = await file.stat({ bigint: true });
    if (stats.isDirectory() && !isFolder && (await hasIndex(root, path))) return c.redirect(`${lastPart(c)}/`);
    if (!stats.isFile()) return missing(c);
    const validators = validatorsOf(stats, Date.now());
    c.header('etag', validators.etag);
    if (validators.lastModified !== undefined) c.header('last-modified', validators.lastModified);
    c.header('cache-control', IMMUTABLE.test(name) ? 'public, max-age=31536000, immutable' : 'no-cache');
    const part = wantedPart(c, validators, Number(stats.size));
    if (part.status === 304) return c.body(null, 304);
    c.header('content-type', contentType(name));
    c.header('accept-ranges', 'bytes');
    if (part.contentRange !== undefined) c.header('content-range', part.contentRange);
    c.header('content-length', String(part.length));
    if (part.status === 416) return c.body(null, 416);
    if (c.req.method === 'HEAD' || part.length === 0) return c.body(null, part.status);
    if (part.length <= IN_ONE_PIECE) return c.body(await readPart(file, part), part.status);
    isTaken = true;
    return c.body(streamed(file, part), part.status);
  } finally {
    if (!isTaken) await file.close();
  }
}

async function hasIndex(root: string, path: string): Promise<boolean> {
  const index = await openPublished(root, `${path}/index.html`);
  await index?.close();
  return index !== undefined;
}

/** The last part of the address as it was asked for; the target of a relative redirection must not look like a scheme. */
function lastPart({ req }: Context): string {
  const { pathname } = new URL(req.url);
  return `./${pathname.slice(pathname.lastIndexOf('/') + 1)}`;
}

interface Part {
  readonly status: 200 | 206 | 304 | 416;
  readonly start: number;
  readonly length: number;
  readonly contentRange?: string;
}

function wantedPart({ req }: Context, validators: Validators, size: number): Part {
  const conditions: Conditions = {
    ifNoneMatch: req.header('if-none-match'),
    ifModifiedSince: req.header('if-modified-since'),
    ifRange: req.header('if-range'),
  };
  if (isUnchanged(conditions, validators)) return { status: 304, start: 0, length: 0 };
  // Only GET has ranges (RFC 9110, 14.2).
  const header = req.method === 'GET' && rangeApplies(conditions, validators) ? req.header('range') : undefined;
  const range = readByteRange(header, size);
  if (range === undefined) return { status: 200, start: 0, length: size };
  if (range === 'unsatisfiable') return { status: 416, start: 0, length: 0, contentRange: `bytes */${size}` };
  const { start, end } = range;
  return { status: 206, start, length: end - start + 1, contentRange: `bytes ${start}-${end}/${size}` };
}

async function readPart(file: FileHandle, { start, length }: Part): Promise<Uint8Array<ArrayBuffer>> {
  const content = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(content, done, length - done, start + done);
    // Shorter than it was: the connection has to break, as what was promised does not come.
    if (bytesRead === 0) throw new Error('a published file became shorter while it was read');
    done += bytesRead;
  }
  return content;
}

/** Reads as fast as its reader takes it, and closes the file at its end or when the reader is gone. */
function streamed(file: FileHandle, { start, length }: Part): ReadableStream {
  const stream = file.createReadStream({ start, end: start + length - 1, highWaterMark: PIECE });
  return Readable.toWeb(stream) as ReadableStream;
}
