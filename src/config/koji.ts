import { z } from 'zod';
import { hasPassword, trimSlashes } from '../base/url-text.ts';
import { block, type Here } from './block.ts';
import { filePath, httpUrl, isUrl, NO_URL } from './values.ts';

/** Makes the schema of the `koji` block. */
export const kojiSchema = (here: Here) =>
  block({
    server: httpUrl.describe('URL of the hub, as "server" in koji.conf.'),
    topurl: z
      .string()
      .regex(/^(https?:\/\/[^\s/]+|file:\/\/\/)/, 'must be an http://, https:// or file:/// URL')
      .refine(isUrl, NO_URL)
      .refine((text) => !hasPassword(text), { error: 'must not hold a password' })
      .transform(trimSlashes)
      .describe(
        'Where the files of builds are, as "topurl" in koji.conf; file:///mnt/koji for a folder that is mounted.',
      ),
    'cert-file': filePath(here)
      .optional()
      .describe('Client certificate (PEM) of a user with the permission "sign"; without it nothing can be signed.'),
    'key-file': filePath(here).optional().describe('Its key, if that is not in the same file.'),
    keytab: filePath(here)
      .optional()
      .describe(
        'Login by Kerberos in place of a client certificate: the keytab of such a user, whose first principal it is.',
      ),
    'ca-file': filePath(here)
      .optional()
      .describe('Certificates (PEM) that vouch for the hub; default: those of the system.'),
    proxy: httpUrl.optional().describe('Default: that of the environment.'),
  })
    .refine(({ certFile, keytab }) => certFile === undefined || keytab === undefined, {
      error: 'goes instead of cert-file, not beside it',
      path: ['keytab'],
    })
    .refine(({ server, keytab }) => keytab === undefined || server.startsWith('https:'), {
      error: 'needs a server with https://',
      path: ['keytab'],
    });

/** Where koji is, and who logs in there. */
export type KojiConfig = z.output<ReturnType<typeof kojiSchema>>;

export const kojiTemplate = `
# koji, whose tags are published as RPM repositories (docs/content.md). Reading needs no certificate.
# koji:
#   server: https://cbs.centos.org/kojihub
#   topurl: https://cbs.centos.org/kojifiles     # or file:///mnt/koji
#   cert-file: /etc/atomic-nightly/koji.pem      # of a user with the permission "sign"
#   # key-file: /etc/atomic-nightly/koji.key
#   # keytab: /etc/atomic-nightly/koji.keytab   # instead: login by Kerberos
#   # ca-file: /etc/atomic-nightly/koji-ca.pem
`;
