import { z } from 'zod';
import type { Here } from './block.ts';
import { filePath, isUrl, NO_URL } from './values.ts';

/** URL of an MQTT broker that runs already. */
export const brokerUrl = z
  .string()
  .regex(
    /^(mqtts?|wss?):\/\/[^\s/@]+(\/\S*)?$/,
    'must be mqtt://host, mqtts://host or ws(s)://host, without a password',
  )
  .refine(isUrl, NO_URL);

/** Makes the keys that say as whom a broker is used, and whom to trust there. */
export const brokerLogin = (here: Here) => ({
  user: z.string().min(1).optional(),
  'password-file': filePath(here).optional().describe('The password alone, readable by its owner only.'),
  'ca-file': filePath(here)
    .optional()
    .describe('Certificates to trust with mqtts and wss; default: those of the system.'),
});
