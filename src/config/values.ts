import { z } from 'zod';

/** Values that stand in several places of atomic-nightly.yaml. */

/** A file or folder: absolute, or relative to the folder of the configuration. */
export const filePath = z
  .string()
  .min(1, 'must not be empty')
  .refine((text) => !text.startsWith('~') && !/\$[{A-Za-z_]/.test(text), {
    error:
      '"~" and variables are not expanded here: write the path out, absolute or relative to the folder of this file',
  });
