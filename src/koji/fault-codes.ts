/** Codes of faults with a meaning to a client (`koji.GenericError` and the classes below it). */
export const FAULT = {
  generic: 1000,
  auth: 1002,
  tag: 1003,
  notAllowed: 1004,
  /** The session has expired: log in again. */
  sessionExpired: 1007,
  /** The call's number is lower than one that the session has used. */
  sequence: 1008,
  /** A call of this number was committed: the first try succeeded, and its answer was lost. */
  retry: 1009,
  /** The hub is down for maintenance. */
  offline: 1014,
} as const;
