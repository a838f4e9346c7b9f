/**
 * A value of XML-RPC in koji's dialect: with `nil` for Python's None, and `i8` for numbers beyond 32 bits. Numbers are one
 * kind here: a whole one is written as a number, any other as a double. Koji sends dates as text.
 */
export type XmlRpcValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly XmlRpcValue[]
  | { readonly [name: string]: XmlRpcValue };

/** What a hub answers to a call. */
export type XmlRpcAnswer =
  | { readonly kind: 'value'; readonly value: XmlRpcValue }
  /** The call failed. Codes: `fault-codes.ts`. */
  | { readonly kind: 'fault'; readonly code: number; readonly message: string };
