/** Reports whether a URL has a password in it, which belongs into a file. */
export function hasPassword(url: string): boolean {
  return /^[a-z]+:\/\/[^/@\s]*:[^/@\s]*@/.test(url);
}

/** Takes the slashes off the end of a URL. */
export function trimSlashes(url: string): string {
  return url.replace(/\/+$/, '');
}
