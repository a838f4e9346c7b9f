/** Levels of builders that get work: each has a rate at which its results are built a second time. */
export const RATED_LEVELS = ['new', 'proven', 'sponsor'] as const;

/** What a builder is: a suspended one gets no work. */
export const BUILDER_LEVELS = [...RATED_LEVELS, 'suspended'] as const;

export type BuilderLevel = (typeof BUILDER_LEVELS)[number];
