import { pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

/** A user of a password file. */
interface Hash {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly hash: Buffer;
}

/** Stands in for a user that is not there, so that a wrong name takes as long as a wrong password. */
const NOBODY: Hash = { salt: Buffer.alloc(64), iterations: 101, hash: Buffer.alloc(64) };

/**
 * Reads a password file of mosquitto_passwd (1.6.6 and newer): `USER:$7$ITERATIONS$SALT$HASH` a line, PBKDF2 with
 * HMAC-SHA512, salt and hash in base64 (mosquitto, src/password_mosq.c). Lines of other kinds are passed over.
 */
export function readPasswords(text: string): ReadonlyMap<string, Hash> {
  const users = new Map<string, Hash>();
  for (const line of text.split('\n')) {
    const [, user, iterations, salt, hash] = /^([^:]+):\$7\$(\d+)\$([\w+/=]+)\$([\w+/=]+)\s*$/.exec(line) ?? [];
    if (user === undefined || salt === undefined || hash === undefined) continue;
    users.set(user, {
      salt: Buffer.from(salt, 'base64'),
      iterations: Number(iterations),
      hash: Buffer.from(hash, 'base64'),
    });
  }
  return users;
}

/** Whether a password is that of a user; a wrong name takes as long as a wrong password. */
export async function isPassword(
  users: ReadonlyMap<string, Hash>,
  user: string | undefined,
  password: Uint8Array | undefined,
): Promise<boolean> {
  const known = users.get(user ?? '');
  const { salt, iterations, hash } = known ?? NOBODY;
  const made = await promisify(pbkdf2)(password ?? '', salt, iterations, hash.length, 'sha512');
  return timingSafeEqual(made, hash) && known !== undefined;
}
