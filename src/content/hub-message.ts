import { z } from 'zod';

/** Bytes of a message; the longest that koji's plugins send have some thousand. */
const MOST_BYTES = 64 * 1024;

/** The name of a tag of koji; anything else is not looked up. */
export const tagName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+~-]{0,255}$/);

/** A tag by its name, or as koji's own callbacks have it. */
const tagged = z.union([tagName, z.looseObject({ name: tagName }).transform(({ name }) => name)]);

/** CBS's plugin (`action`), fedora-messaging (`body` or `msg` around it, or the body alone), protonmsg's body. */
const message = z.union([
  z.looseObject({ tag: tagged }).transform(({ tag }) => tag),
  z.looseObject({ msg: z.looseObject({ tag: tagged }) }).transform(({ msg }) => msg.tag),
  z.looseObject({ body: z.looseObject({ tag: tagged }) }).transform(({ body }) => body.tag),
]);

/** The tag that a message names, or what is wrong with it. */
export type HubMessage = { readonly tag: string } | { readonly dropped: string };

/**
 * Reads which tag a message on koji's bus is about. Nothing else in it is used: it is sent before the hub commits, anybody
 * on the bus may have sent it, and the hub itself says what is in the tag (C2).
 */
export function readHubMessage(payload: Uint8Array): HubMessage {
  if (payload.length > MOST_BYTES) return { dropped: `it has more than ${MOST_BYTES} bytes` };
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    return { dropped: 'it is not JSON in UTF-8' };
  }
  const parsed = message.safeParse(value);
  return parsed.success ? { tag: parsed.data } : { dropped: 'it names no tag' };
}
