/** Where a night can be asked to end, in the order of its steps; `push`: the tree is published and verified, no image is made. */
export const STOPS = ['resolve', 'compose', 'push'] as const;

export type Stop = (typeof STOPS)[number];
