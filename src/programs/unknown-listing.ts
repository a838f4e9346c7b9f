import { NightlyError } from '../base/errors.ts';
import { oneLine } from '../base/one-line.ts';

/** Returns the failure for what a program lists in another form than is known: half a list would be taken for the whole. */
export function unknownListing(program: string, printed: string): NightlyError {
  return new NightlyError(
    'image',
    `${program} lists files in words that are not known: ${oneLine(printed.slice(0, 300))}`,
    {
      hint: 'Nothing is taken as looked at that could not be read; is the program newer than those that "atomic-nightly doctor" asks for?',
    },
  );
}
