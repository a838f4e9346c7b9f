/** The known treefile keys and their types. */
export interface TreefileValues {
  readonly ref?: string;
  readonly repos?: readonly string[];
  readonly packages?: readonly string[];
}
