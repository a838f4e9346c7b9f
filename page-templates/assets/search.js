// Searches the builds of published pages in the browser: one file has all of them, and no program answers here.
/** Rows that are shown at once. */
const AT_ONCE = 50;

/**
 * Returns what tells whether a name is wanted; `*` stands for any characters.
 * @param {string} wanted
 */
export function nameMatcher(wanted) {
  const [first, ...others] = wanted.split('*');
  const last = others.pop();
  if (last === undefined) return (name) => name === wanted;
  return (name) => {
    if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
    const end = name.length - last.length;
    let at = first.length;
    for (const part of others) {
      const found = name.indexOf(part, at);
      if (found === -1 || found + part.length > end) return false;
      at = found + part.length;
    }
    return true;
  };
}

/**
 * Returns the builds that are asked for, newest first, each with what became of the packages that are.
 * @param index as it is published
 * @param {{package: string, state: string, stream: string, since: string, until: string}} asked empty where nothing is
 */
export function searchBuilds(index, asked) {
  const changes = asked.package === '' ? undefined : changesOf(index, nameMatcher(asked.package));
  return index.builds.flatMap((build, at) => {
    const found = changes ? changes.get(at) : [];
    const day = new Date(build.begun).toISOString().slice(0, 10);
    const wanted =
      found !== undefined &&
      (asked.state === '' || build.state === asked.state) &&
      (asked.stream === '' || build.stream === asked.stream) &&
      (asked.since === '' || day >= asked.since) &&
      (asked.until === '' || day <= asked.until);
    return wanted ? [{ build, changes: found }] : [];
  });
}

/** Changes of the packages that are wanted, by build. */
function changesOf({ packages }, isWanted) {
  const byBuild = new Map();
  for (const [name, known] of packages) {
    if (!isWanted(name)) continue;
    for (const [at, word, from, to] of known) {
      const found = byBuild.get(at) ?? [];
      found.push({ name, word, from, to });
      byBuild.set(at, found);
    }
  }
  return byBuild;
}

if (globalThis.document) begin(document.querySelector('#search'));

async function begin(search) {
  search.hidden = false;
  const form = search.querySelector('form');
  const state = search.querySelector('#search-state');
  state.textContent = 'Reading the list of builds…';
  let index;
  try {
    index = await readIndex(search.dataset.index);
  } catch (error) {
    state.textContent = `The list of builds cannot be read: ${error.message}`;
    return;
  }
  state.textContent = `${index.builds.length} builds`;
  for (const name of [...new Set(index.builds.map(({ stream }) => stream))].sort()) form.stream.add(new Option(name));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const asked = [...new FormData(form)].filter(([, value]) => value !== '');
    history.pushState(null, '', `?${new URLSearchParams(asked)}`);
    answer(search, index);
  });
  addEventListener('popstate', () => answer(search, index));
  answer(search, index);
}

async function readIndex(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`the server answers ${response.status}`);
  const bytes = await response.arrayBuffer();
  const [first, second] = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength));
  // Some servers say that such a file is compressed for its journey only: then the browser has unpacked it.
  if (first !== 0x1f || second !== 0x8b) return JSON.parse(new TextDecoder().decode(bytes));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json();
}

/** Answers what the address of the page asks. */
function answer(search, index) {
  const form = search.querySelector('form');
  const parameters = new URLSearchParams(location.search);
  const asked = { package: '', state: '', stream: '', since: '', until: '' };
  for (const name of Object.keys(asked)) {
    asked[name] = parameters.get(name) ?? '';
    form.elements.namedItem(name).value = asked[name];
  }
  const found = searchBuilds(index, asked);
  search.querySelector('#search-state').textContent =
    found.length === 0 ? 'No build is like that.' : `${found.length} of ${index.builds.length} builds`;
  search.querySelector('#builds').hidden = found.length === 0;
  search.querySelector('#builds-title').textContent =
    asked.package === '' ? 'Builds' : `Builds in which ${asked.package} changed`;
  search.querySelector('#changes-title').textContent = asked.package === '' ? 'What changed' : 'Change';
  const rows = search.querySelector('tbody');
  const older = search.querySelector('#older');
  rows.replaceChildren();
  let shown = 0;
  older.onclick = () => {
    rows.append(...found.slice(shown, shown + AT_ONCE).map(rowOf));
    shown += AT_ONCE;
    older.hidden = shown >= found.length;
  };
  older.onclick();
}

function rowOf({ build, changes }) {
  const path = [build.id, build.arch].map(encodeURIComponent).join('/');
  const head = element('th', [element('a', [build.id], { href: `../builds/${path}/index.html` })], { scope: 'row' });
  const begun = new Date(build.begun).toISOString();
  const text = `${begun.slice(0, 10)} ${begun.slice(11, 16)}`;
  const released = build.released ? [' ', element('span', [build.released], { class: 'tag' })] : [];
  const list = element('ul', changes.map(changeOf), { class: 'plain' });
  const cells = [
    [build.stream],
    [stateOf(build.state), ...released],
    [element('time', [text], { datetime: begun })],
    [changes.length > 0 ? list : (build.summary ?? '')],
  ];
  return element('tr', [head, ...cells.map((parts) => element('td', parts))]);
}

function stateOf(state) {
  const known = [...document.querySelectorAll('template[data-state]')].find(({ dataset }) => dataset.state === state);
  return known ? known.content.cloneNode(true) : state;
}

function changeOf({ name, word, from, to }) {
  const [first, ...second] = [from, to].filter((version) => version !== '').map((version) => element('code', [version]));
  const arrow = second.length > 0 ? [' ', element('span', ['→'], { 'aria-label': 'to' }), ' '] : [];
  const kind = element('span', [word], { class: `kind ${word}` });
  return element('li', [element('bdi', [name]), ' ', kind, ' ', first, ...arrow, ...second]);
}

/** Texts stay texts: nothing of the index becomes markup. */
function element(name, parts, attributes = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...parts);
  return made;
}
