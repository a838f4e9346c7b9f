import { armor, enums } from 'openpgp';

/** Public keys, binary, as text that people and programs take. */
export async function armorKey(publicKey: Uint8Array): Promise<string> {
  return armor(enums.armor.publicKey, publicKey);
}
