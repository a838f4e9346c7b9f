/** What a progress count counts. */
export type ProgressUnit = 'bytes' | 'packages' | 'objects' | 'files' | 'entries';
