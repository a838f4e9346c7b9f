import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { NightlyError } from '../../src/base/errors.ts';
import { run } from '../../src/programs/exec.ts';
import { parseRepoFile, type RepoDefinition } from '../../src/rpm/repofile.ts';
import { temporaryFolder } from '../support/tmp.ts';

const VARIABLES = { basearch: 'x86_64', releasever: '9', foo: 'F' };

/** Reads each file as dnf itself does. What dnf would log as an error and leave out counts as refused. */
const ASK_DNF = `
import json, logging, os, sys
import dnf
faults = []
class Keep(logging.Handler):
    def emit(self, record):
        text = record.getMessage()
        if "missing name" not in text and "User-Agent" not in text:
            faults.append(text)
logging.getLogger("dnf").addHandler(Keep(logging.WARNING))
folder = sys.argv[1]
SINGLE = ("metalink", "mirrorlist", "proxy", "username", "password", "proxy_username", "sslcacert", "proxy_sslcacert")
answers = []
for text in json.load(sys.stdin):
    with open(os.path.join(folder, "x.repo"), "w", encoding="utf-8", newline="") as file:
        file.write(text)
    faults.clear()
    conf = dnf.conf.Conf()
    conf.config_file_path = ""
    conf.reposdir = [folder]
    conf.varsdir = []
    conf.cachedir = folder
    conf.substitutions.clear()
    conf.substitutions.update(json.loads(sys.argv[2]))
    base = dnf.Base(conf)
    base.read_all_repos()
    # A single value of several lines is taken by dnf, and refused here: it can only be a mistake.
    lines = any("\\n" in (getattr(repo, name) or "").rstrip() for repo in base.repos.values() for name in SINGLE)
    answers.append(None if faults or lines else [
        {
            "id": repo.id,
            "baseurl": list(repo.baseurl),
            "metalink": repo.metalink or "",
            "mirrorlist": repo.mirrorlist or "",
            "gpgcheck": bool(repo.gpgcheck),
            "gpgkey": list(repo.gpgkey),
            "sslverify": bool(repo.sslverify),
            "proxy": repo.proxy or "",
            "username": repo.username or "",
            "password": repo.password or "",
            "proxy_username": repo.proxy_username or "",
            "sslcacert": repo.sslcacert or "",
            "proxy_sslverify": bool(repo.proxy_sslverify),
            "proxy_sslcacert": repo.proxy_sslcacert or "",
        }
        for repo in sorted(base.repos.values(), key=lambda repo: repo.id)
    ])
    base.close()
print(json.dumps(answers))
`;

// Of a blank value in a file with CRLF, dnf keeps line ends.
const text = z.string().transform((value) => value.replace(/[\r\n]+$/, ''));
// dnf keeps empty words of a list. What is not a URL counts from the folder of the file here; dnf would fail on it later.
const list = z
  .array(text)
  .transform((words) =>
    words
      .filter((word) => word !== '')
      .map((word) => (/^[a-z][a-z0-9+.-]*:/i.test(word) ? word : pathToFileURL(resolve('/x', word)).href)),
  );
const answer = z.array(
  z
    .object({
      ...{ id: text, baseurl: list, metalink: text, mirrorlist: text, gpgcheck: z.boolean() },
      ...{ gpgkey: list, sslverify: z.boolean(), proxy: text, username: text, password: text },
      ...{ proxy_username: text, sslcacert: text, proxy_sslverify: z.boolean(), proxy_sslcacert: text },
    })
    // dnf uses neither without the other.
    .transform((one) => (one.username === '' ? { ...one, password: '' } : one)),
);
const answers = z.array(answer.nullable());

async function dnfReads(texts: readonly string[]): Promise<z.infer<typeof answers>> {
  const folder = join(temporaryFolder(), 'repos');
  await mkdir(folder);
  await writeFile(join(folder, 'ask.py'), ASK_DNF);
  const { stdout } = await run('/usr/bin/python3', [join(folder, 'ask.py'), folder, JSON.stringify(VARIABLES)], {
    input: JSON.stringify(texts),
  });
  return answers.parse(JSON.parse(stdout));
}

function weRead(file: string): z.infer<typeof answers>[number] {
  try {
    const repos = parseRepoFile(file, '/x/x.repo', VARIABLES);
    return answer.parse(repos.map(inDnfsWords).sort((a, b) => (a.id < b.id ? -1 : 1)));
  } catch (error) {
    if (error instanceof NightlyError && error.code === 'config') return null;
    throw error;
  }
}

function inDnfsWords({ id, baseurl, metalink = '', mirrorlist = '', gpgcheck, gpgkey, connection }: RepoDefinition) {
  const { verify = true, proxy = '', login, proxyLogin, proxyTls = {}, caFile = '' } = connection;
  return {
    ...{ id, baseurl: [...baseurl], metalink, mirrorlist, gpgcheck, gpgkey: [...gpgkey], sslverify: verify, proxy },
    ...{ username: login?.username ?? '', password: login?.password ?? '' },
    ...{ proxy_username: proxyLogin?.username ?? '', sslcacert: caFile },
    ...{ proxy_sslverify: proxyTls.verify ?? true, proxy_sslcacert: proxyTls.caFile ?? '' },
  };
}

const flag = fc.constantFrom(
  ...[
    '1',
    '0',
    'yes',
    'No',
    'TRUE',
    'off',
    'on',
    '"1"',
    "'1'",
    '"0"',
    '\'1"',
    '1 # on',
    '2',
    '',
    'enabled',
    '"',
    "''",
    '$foo',
    '1\r',
  ],
);
const url = fc.constantFrom(
  ...[
    'http://a/x',
    '"http://a/x"',
    "'http://a'",
    'file:///a',
    'http://a, http://b',
    'http://a\n http://b',
    '\n  http://a',
  ],
  ...[
    'http://a/$basearch/${releasever}/$Foo/$nosuch',
    'http://a\t\r',
    'http://a,,http://b',
    '"http://a" "http://b"',
    'http://a#b',
  ],
);
const single = fc.constantFrom('x', '"x"', "'x y'", '', '"', 'a"b', 'a=b', ' x ', '$foo', 'None', 'é');
const path = fc.constantFrom('/ca.pem', '"/ca.pem"', '');
const option = fc.oneof(
  fc.tuple(fc.constantFrom('gpgcheck', 'sslverify', 'proxy_sslverify'), flag),
  fc.tuple(fc.constantFrom('baseurl', 'gpgkey'), url),
  fc.tuple(fc.constantFrom('metalink', 'mirrorlist'), fc.constantFrom('http://m', '"http://m"', '')),
  fc.tuple(fc.constant('username'), fc.constantFrom('u', '"u"')),
  fc.tuple(fc.constantFrom('password', 'name', 'nosuch'), single),
  fc.tuple(fc.constant('proxy'), fc.constantFrom('http://p:1', '"http://p:1"', '_none_', '')),
  fc.tuple(fc.constantFrom('sslcacert', 'proxy_sslcacert'), path),
);
const line = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.tuple(option, fc.constantFrom('=', ' = ', '= ', '\t=')).map(([[key, value], is]) => key + is + value),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '# remark',
      '; remark',
      '',
      '  ',
      ' # x',
      ' http://more',
      'nonsense',
      '=1',
      '\r',
      ' x=1',
    ),
  },
);
const header = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(
      '[a]',
      '[b]',
      '[c]',
      '[a.b:c-d_e]',
      '[$foo]',
      '[a] # note',
      '[b]; note',
      '[main]',
      '[c]\r',
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('[a b]', '[]', '[a', '[a] note', ' [a]', '[ a ]', '[é]') },
);
const file = fc
  .tuple(
    fc.constantFrom('', '', '', '\ufeff', '# top\n', '\n'),
    fc.uniqueArray(fc.tuple(header, fc.array(line, { maxLength: 4 })), {
      minLength: 1,
      maxLength: 3,
      // Two sections of one id are merged by dnf and refused here: which of the two was meant, nobody can tell.
      selector: ([name]) =>
        name
          .replace(/[^a-z.:$]/g, '')
          .replace('$foo', 'F')
          .slice(0, 1),
    }),
    fc.constantFrom('\n', '\n', '\r\n'),
  )
  .map(([top, sections, end]) => top + sections.flatMap(([name, lines]) => [name, ...lines, '']).join(end));

const KNOWN: readonly string[] = [
  '[a]\ngpgcheck=1\n [b]\ngpgcheck=0\n',
  '[a]\ngpgcheck="1"\nbaseurl="http://x"\ngpgkey=\'file:///k\'\n',
  "[a]\ngpgcheck='1'\n",
  '[a]\ngpgcheck=1 # on\n',
  '[a] # note\ngpgcheck=1\n',
  '\ufeff[a]\ngpgcheck=1\n',
  '[a]\r\ngpgcheck=1\r\nbaseurl=http://a\r\n http://b\r\n',
  '[a]\nbaseurl=http://a\n# remark\n http://b\n',
  '[a]\nbaseurl=http://a\n\n http://b\n',
  '[a]\ngpgcheck=1\ngpgcheck=0\n',
  '[a]\nusername="u"\npassword=\'p w\'\nproxy="http://p:1"\nsslcacert="/ca.pem"\nsslverify=no\n',
];

it('a format is read by its owner’s rules: .repo files are read as dnf reads them, and refused where it leaves something out', async () => {
  const texts = [...KNOWN, ...fc.sample(file, 250)];
  const theirs = await dnfReads(texts);
  const differ = texts.flatMap((one, index) => {
    const ours = weRead(one);
    return JSON.stringify(ours) === JSON.stringify(theirs[index]) ? [] : [{ file: one, ours, theirs: theirs[index] }];
  });
  expect(differ.slice(0, 5)).toEqual([]);
  // Neither of the two refuses everything.
  expect(theirs.filter((one) => one !== null).length).toBeGreaterThan(texts.length / 10);
});
