/** Returns what a passwd or group file lists: name and number of each entry. */
export function accountsIn(text: string): (readonly [string, string])[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , id = ''] = line.split(':');
    return name !== '' && /^\d+$/.test(id) ? [[name, id] as const] : [];
  });
}

/** Returns the users (`u`) or groups (`g`) that a file of sysusers.d(5) makes: name, and number or `automatic`. */
export function sysusersIn(text: string, kind: 'u' | 'g'): (readonly [string, string])[] {
  return text.split('\n').flatMap((line) => {
    const [type = '', name = '', id = '-'] = line.trim().split(/\s+/);
    return type.replace('!', '') === kind && name !== '' ? [[name, id === '-' ? 'automatic' : id] as const] : [];
  });
}
