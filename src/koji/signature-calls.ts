import { z } from 'zod';
import type { HubCall } from './hub.ts';
import { type RpmSignature, rpmSignatureShape } from './hub-shapes.ts';
import { keywords } from './write-call.ts';

/** The signatures of an RPM, with the unsigned header as one whose key is empty. */
export const rpmSignatures = (rpm: number): HubCall<RpmSignature[]> => ({
  ...{ method: 'queryRPMSigs', params: [keywords({ rpm_id: rpm })], shape: z.array(rpmSignatureShape) },
  login: false,
});

/**
 * Gives the hub the signature header of a signed copy of an RPM. It keeps the first one of each key: for a second, whether
 * or not it is the same, it answers with a fault (`isSignatureThere`). Needs the permission `sign`.
 */
export const addSignature = (rpm: number, header: Uint8Array): HubCall<null> => ({
  ...{ method: 'addRPMSig', params: [rpm, Buffer.from(header).toString('base64')], shape: z.null() },
  login: true,
});

/** Has the hub write the signed copy of an RPM, out of the unsigned file and the signature header. Can be repeated. */
export const writeSignedCopy = (rpm: number, key: string): HubCall<null> => ({
  ...{ method: 'writeSignedRPM', params: [rpm, key], shape: z.null() },
  login: true,
});

/** Whether the hub refused a signature because it has one of that key; the code is that of any failure. */
export const isSignatureThere = ({ code, message }: { readonly code: number; readonly message: string }): boolean =>
  code === 1000 && message.startsWith('Signature already exists');
