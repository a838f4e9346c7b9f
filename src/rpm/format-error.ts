/**
 * Text of others that is not of the format it should be. The message says what is wrong, as the end of a sentence that
 * begins with the file's name; who fetched the file makes a NightlyError of it, which names where it came from and whose it is.
 */
export class FormatError extends Error {
  override readonly name = 'FormatError';
}

/** Returns what a file holds in place of what was asked for, as far as it can be told: nothing, or a web page. */
export function otherContent(text: string): string | undefined {
  if (text.trim() === '') return 'it is empty';
  if (!/^\s*(<!doctype html|<html[\s>])/i.test(text)) return undefined;
  const title = /<title>([^<]{1,200})<\/title>/i.exec(text)?.[1]?.replace(/\s+/g, ' ').trim();
  return `it is a web page${title ? ` ("${title}")` : ''}, as a login or an error page of a proxy or mirror is`;
}
