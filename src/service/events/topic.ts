/**
 * Whether a topic filter matches a topic: `+` is one level, `#` at the end any number (MQTT 3.1.1, 4.7). Wildcards at the
 * start do not match topics that begin with `$`.
 */
export function matchesTopic(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && !filter.startsWith('$')) return false;
  const [wanted, levels] = [filter.split('/'), topic.split('/')];
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return index === wanted.length - 1;
    if (index >= levels.length || (level !== '+' && level !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}

/** Whether every topic that a filter matches is matched by an allowed one too: whoever subscribes to it hears nothing else. */
export function coversFilter(allowed: string, filter: string): boolean {
  if (filter.startsWith('$') && !allowed.startsWith('$')) return false;
  const [wide, narrow] = [allowed.split('/'), filter.split('/')];
  for (const [index, level] of wide.entries()) {
    if (level === '#') return index === wide.length - 1;
    const its = narrow[index];
    if (its === undefined || its === '#') return false;
    if (level !== '+' && level !== its) return false;
  }
  return wide.length === narrow.length;
}

/** Returns the stream that a message to `TOPIC/STREAM` is for; undefined for another topic. */
export function streamOfTopic(top: string, topic: string): string | undefined {
  const [rest, ...more] = topic.startsWith(`${top}/`) ? topic.slice(top.length + 1).split('/') : [];
  return more.length === 0 && rest !== '' ? rest : undefined;
}
