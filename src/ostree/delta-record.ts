/** A static delta as the record names it. */
export interface DeltaRecord {
  /** Undefined: from scratch. */
  readonly from?: string;
  readonly to: string;
  /** Size of all its files. */
  readonly bytes: number;
  /** Bytes and requests of a client that pulls the same without it. */
  readonly objectBytes: number;
  readonly objects: number;
  /** Seconds it took to make. */
  readonly seconds: number;
}
