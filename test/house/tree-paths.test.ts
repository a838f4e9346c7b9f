import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

// I13: a path of a tree is resolved by src/base/paths-in-root.ts and read or written by src/base/tree-files.ts. These look at
// the text of the source: whoever forgets it is told before any tree with hostile links is.

const SOURCE = new URL('../../src', import.meta.url).pathname;

/** Folders whose code has to do with trees. */
const FOLDERS = ['engines', 'images', 'ostree', 'lab', 'boot', 'steps', 'programs'];

/** What code calls the folder that a tree is in. */
const ROOTS = String.raw`(?:\w+\.)*(?:root|rootDir|rootfs|tree|whole|checkout|deployment|sysroot|stateroot)`;
const JOINED = new RegExp(String.raw`\bjoin\(${ROOTS},[^\n]*|\x60\$\{${ROOTS}\}(?:/|\$\{)[^\n]*`, 'g');

/** Functions that follow a link at the end of a path, or open whatever is there. */
const FOLLOWING = [
  ...['readFile', 'writeFile', 'appendFile', 'copyFile', 'cp', 'open', 'opendir', 'stat', 'access', 'realpath'],
  ...['chmod', 'chown', 'utimes', 'truncate', 'exists', 'createReadStream', 'createWriteStream'],
  ...['readTextIfExists', 'sizeIfThere'],
];

/** Where a root is joined with a path, and why no link of the tree can lead from there: the text is that of the line. */
const JOINS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'engines/dnf/tree/tree-paths.ts': {
    "join(root, 'usr/etc');": 'this is the resolver',
    "join(root, 'usr')) && isFolder(etc) ? etc : undefined;": 'this is the resolver',
  },
  'engines/dnf/tree/tree-layout.ts': {
    "join(root, 'etc');": 'the name itself at the top, which the resolver takes for usr/etc; it is removed',
  },
  'engines/dnf/namespace.ts': {
    'join(root, path), { throwIfNoEntry: false });': 'one name at the top; refuses what is not a folder',
  },
  'engines/dnf/install.ts': {
    'join(root, name));': 'the folder is empty',
  },
  'engines/dnf/asked.ts': {
    "join(root, 'usr/etc'))?.isDirectory() === true;": 'a resolver of its own, which says what was on the way',
    "join(root, usrEtc && (path === '/etc' || path.startsWith('/etc/')) ? `/usr${path}` : path);":
      'a resolver of its own, which says what was on the way',
  },
  'engines/dnf/initramfs.ts': {
    'join(root, path));': 'paths that a walk found, which enters no links',
  },
  'engines/dnf/trace.ts': {
    "join(root, path)) : '';": 'a walk, which enters no links',
    'join(root, path), { withFileTypes: true })) {': 'a walk, which enters no links',
    'join(root, inner), 0, 0);': 'a walk; lutimes follows no link',
    'join(root, path), 0, 0);': 'a walk; lutimes follows no link',
    'join(root, path);': 'paths that a walk found; only what lstat calls a file is read',
    'join(root, path)).sort()) {': 'a walk, which enters no links',
    'join(root, inner));': 'a walk, which enters no links',
  },
  'engines/folder/scan-folder.ts': {
    "`${root}${folder}/`, { encoding: 'buffer' })) ?? [];": 'a walk, which enters no links',
  },
  'images/variant.ts': {
    "join(root, 'boot'), boot);": "the disk's own folders, made by ostree",
    "join(root, 'boot'));": "the disk's own folders, made by ostree",
    'join(root, base.deployment);': "the disk's own folders, made by ostree",
    "join(root, 'ostree/deploy', request.osName, 'var'), boot };": "the disk's own folders, made by ostree",
  },
  'images/disk/disk-image.ts': {
    "join(root, 'ostree/deploy', request.osName);": "the disk's own folders, made by ostree",
    "join(sysroot, deployment), '/usr/sbin/xfs_growfs')))) return;": "the disk's own folders, made by ostree",
  },
  'images/disk/disk-selinux.ts': {
    "join(root, 'ostree');": "the disk's own folders, made by ostree",
    "join(tree, 'lost+found'), { mode: 0o700 });": "the disk's own folders, made by ostree",
    "join(stateroot, 'var'), exclude: [] }, task);": "the disk's own folders, made by ostree",
    "join(stateroot, 'var')] }, task);": "the disk's own folders, made by ostree",
  },
  'images/disk/sysroot.ts': {
    "join(sysroot, 'ostree/repo');": "the disk's own folders, made by ostree",
    "join(sysroot, 'boot', loader.configDir);": "the disk's own folders, made by ostree",
    'join(sysroot, relative);': "the disk's own folders, made by ostree",
  },
  'lab/make-rpm.ts': {
    'join(root, file);': 'the files that this project lays over packages',
  },
  'programs/ostree-admin.ts': { '`${request.sysroot}/ostree/repo`;': "the disk's own folders, made by ostree" },
};

/** What files that touch trees use of these functions, and on what. */
const USES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'engines/dnf/tree/customise.ts': { stat: 'files that the treefile names', realpath: 'files that the treefile names' },
  'engines/dnf/tree/postprocess.ts': {
    writeFile: 'scripts, in the scratch folder',
    copyFile: 'scripts, in the scratch folder',
    chmod: 'scripts, in the scratch folder',
  },
  'engines/dnf/tree/tree-layout.ts': { chmod: 'folders that were just looked at or made' },
  'engines/dnf/tree/tree-selinux.ts': { utimes: 'files that were looked at with lstat' },
  'engines/dnf/tree/user-seeds.ts': {
    readFile: 'a file that the treefile names',
    readTextIfExists: 'a record in the cache',
    chmod: 'a record in the cache',
  },
  'engines/dnf/initramfs.ts': { writeFile: 'a file in the scratch folder' },
  'engines/folder/tree-policy.ts': { readFile: 'files that were looked at with lstat' },
  'images/variant.ts': { readFile: 'the boot menu that ostree wrote' },
  'images/image-accounts.ts': { chmod: 'the home of a user, resolved to its end' },
  'images/disk/disk-selinux.ts': { writeFile: 'a file in the scratch folder' },
  'images/disk/disk-image.ts': { open: 'the disk', truncate: 'the disk' },
  'images/disk/grub-install.ts': {
    readFile: "the core image, and GRUB's files, among which there are no links",
    writeFile: 'files in the scratch folder',
  },
  'images/disk/sysroot.ts': {
    writeFile: "the repository's and the boot folder's own files, made by ostree",
    copyFile: "the repository's own objects, made by ostree",
    utimes: "the repository's own objects, made by ostree",
  },
  'images/iso/built-in.ts': { writeFile: "the medium's own files" },
  'images/iso/installer-files.ts': {
    writeFile: 'a folder that was made anew',
    chmod: 'a folder that was made anew',
  },
  'images/iso/medium-boot.ts': {
    readFile: 'files that the walk found to be files',
    writeFile: "the medium's own files",
    truncate: "the medium's own files",
  },
  'lab/make-rpm.ts': {
    readFile: 'the files that this project lays over packages',
    writeFile: 'a file in the scratch folder',
    stat: 'the files that this project lays over packages',
    chmod: "this project's own packages, resolved to the end",
    readTextIfExists: 'files of the scratch folder',
  },
};

interface Found {
  readonly file: string;
  readonly text: string;
}

function joins(file: string, source: string): Found[] {
  return [...source.matchAll(JOINED)].map(([text]) => ({ file, text: text.trim() }));
}

/** What a file that resolves paths of trees imports of functions that follow. */
function uses(file: string, source: string): Found[] {
  if (!/from '[^']*\/(paths-in-root|tree-paths|tree-files)\.ts'/.test(source)) return [];
  const imports = [...source.matchAll(/^import \{([^}]*)\} from '(node:fs(?:\/promises)?|[^']*\/files\.ts)';/gm)];
  const names = imports.flatMap(([, list = '']) => list.split(',').map((name) => name.trim()));
  return names.filter((name) => FOLLOWING.includes(name.replace(/Sync$/, ''))).map((text) => ({ file, text }));
}

/** Each place that is not among the exceptions. */
function faults(file: string, source: string): string[] {
  const known = (list: typeof JOINS, { text }: Found): boolean => Object.hasOwn(list[file] ?? {}, text);
  return [
    ...joins(file, source)
      .filter((one) => !known(JOINS, one))
      .map(({ text }) => `${file}: ${text}: resolve it with src/base/paths-in-root.ts`),
    ...uses(file, source)
      .filter((one) => !known(USES, one))
      .map(({ text }) => `${file}: ${text} follows links: take one of src/base/tree-files.ts`),
  ];
}

const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(SOURCE, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => [`${folder}/${name}`, readFileSync(join(SOURCE, folder, name), 'utf8')] as const),
);

it('I13: no code joins the root of a tree with a path, nor opens what it resolved with a function that follows links', () => {
  expect(files.length).toBeGreaterThan(200);
  expect(files.flatMap(([file, source]) => faults(file, source))).toEqual([]);
});

it('finds code that joins the root of a tree with a path', () => {
  const resolver = "import { followInRoot } from '../../base/paths-in-root.ts';\n";
  const source = `import { existsSync } from 'node:fs';\nimport { readFile, rm } from 'node:fs/promises';\n${resolver}`;
  expect(faults('images/x.ts', "await rm(join(root, 'etc/x'));")).toHaveLength(1);
  expect(faults('images/x.ts', 'await rm(join(request.deployment, path));')).toHaveLength(1);
  expect(faults('images/x.ts', 'await rm(`${tree}/etc/x`);')).toHaveLength(1);
  expect(faults('images/x.ts', source)).toEqual([
    'images/x.ts: existsSync follows links: take one of src/base/tree-files.ts',
    'images/x.ts: readFile follows links: take one of src/base/tree-files.ts',
  ]);
  // One more of a kind that a file may have is one too many.
  expect(faults('images/disk/sysroot.ts', "join(sysroot, 'etc/fstab');")).toHaveLength(1);
});

it('has no exception that nothing needs', () => {
  const needed = new Set(
    files.flatMap(([file, source]) =>
      [...joins(file, source), ...uses(file, source)].map((one) => `${one.file} ${one.text}`),
    ),
  );
  const listed = [JOINS, USES].flatMap((list) =>
    Object.entries(list).flatMap(([file, texts]) => Object.keys(texts).map((text) => `${file} ${text}`)),
  );
  expect(listed.filter((one) => !needed.has(one))).toEqual([]);
});
