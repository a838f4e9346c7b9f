/**
 * The most bytes that are read into memory of what others wrote. ostree takes no larger object of metadata
 * (`OSTREE_MAX_METADATA_SIZE`); records are far smaller.
 */
export const MOST_READ_BYTES = 128 << 20;
