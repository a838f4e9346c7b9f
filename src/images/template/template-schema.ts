import { z } from 'zod';

/**
 * The shape of `image.yaml`, which makes a folder an image type. What it leaves out has the defaults below; a type that
 * `extends` another has that one's keys where it has none itself.
 */

const size = z.string().regex(/^[1-9]\d* ?(MiB|GiB)$/, 'must be a whole number of MiB or GiB, as in 10 GiB');

/** What stands between two colons of /etc/passwd. */
const FIELD = /^[^:\p{Cc}]*$/u;

const line = z.string().regex(/^[^\n]+$/, 'must be one line');

/** /usr belongs to the commit: what is written there would not survive the first upgrade. */
const hostPath = z
  .string()
  .regex(/^\/(etc|var|boot)(\/[^/\n]+)+$/, 'must be an absolute path of a file below /etc, /var or /boot')
  .refine((path) => !/\/\.\.?(\/|$)/.test(path), { error: 'must not hold "." or ".."' });

const accountName = z
  .string()
  .regex(/^[a-z_][a-z0-9_-]{0,30}$/, 'must be a user name: lower case, digits, "-" and "_"');

const file = z
  .strictObject({
    path: hostPath,
    mode: z
      .string()
      .regex(/^[0-7]{4}$/, 'must be four octal digits in quotes, as in "0644"')
      .default('0644'),
    content: z.string().optional().describe('The text itself.'),
    source: z
      .string()
      .regex(/^[\w.-]+(\/[\w.-]+)*$/, "must be a path inside the type's folder")
      .optional()
      .describe("A file of the type's folder; filled in when its name ends in .hbs."),
    append: z.boolean().default(false).describe('Add to the end of what the tree has instead of replacing it.'),
  })
  .refine((entry) => (entry.content === undefined) !== (entry.source === undefined), {
    error: 'needs either "content" or "source"',
  });

const user = z.strictObject({
  name: accountName,
  uid: z.int().min(1000).max(59_999).default(1000),
  gecos: z.string().regex(FIELD, 'must be one line without ":"').default(''),
  shell: z.string().startsWith('/').regex(FIELD, 'must be one line without ":"').default('/bin/bash'),
  'password-hash': z
    .string()
    .min(1)
    .regex(FIELD, 'must be one line without ":"')
    .default('*')
    .describe('As in /etc/shadow; "*" lets nobody in by password.'),
  'ssh-authorized-keys': z.array(line).default([]),
  sudo: z.boolean().default(false).describe('Everything, without a password and without a terminal.'),
});

const disk = z.strictObject({
  size: size.default('10 GiB').describe('What the machine sees; the file is as small as its content.'),
  efi: size.default('100 MiB'),
  boot: size.default('1024 MiB'),
  'root-filesystem': z.enum(['ext4', 'xfs']).default('ext4'),
});

const healthCheck = z.strictObject({
  name: line,
  command: z.string().min(1).describe('Run by a shell in the booted machine; passes with exit code 0.'),
  timeout: z.int().min(1).default(60).describe('Seconds.'),
});

export const imageTemplateSchema = z.strictObject({
  extends: z.string().optional(),
  description: line,
  format: z.string(),
  'file-name': z.string().regex(/^[A-Za-z0-9][\w.+-]*$/, 'must be a plain file name'),
  disk: disk.prefault({}),
  'kernel-arguments': z.array(z.string().regex(/^[^\s"']+$/, 'must be one word without quotes')).default([]),
  'boot-menu': z
    .strictObject({
      timeout: z.int().min(0).default(1).describe('Seconds.'),
      'serial-speed': z.int().min(9600).default(115_200),
    })
    .prefault({}),
  'boot-iso': z
    .string()
    .startsWith('/', 'must be an absolute path')
    .optional()
    .describe("For format iso: Anaconda's boot.iso, or the folder lorax wrote. Default: the built-in installer."),
  files: z.array(file).default([]),
  'mask-units': z.array(z.string().regex(/^[\w@:.\\-]+\.[a-z]+$/, 'must be a unit name with its suffix')).default([]),
  users: z.array(user).default([]),
  machine: z
    .strictObject({ cpus: z.int().min(1).default(2), memory: size.default('1536 MiB') })
    .prefault({})
    .describe('What the machine is given, in a box and when it is tested.'),
  login: z
    .strictObject({ user: accountName, 'private-key': z.string() })
    .optional()
    .describe('Who a test logs in as, with a key of the folder. Default: a user that cloud-init makes.'),
  'health-checks': z.array(healthCheck).default([]),
});

export type ImageTemplateFile = z.output<typeof imageTemplateSchema>;
