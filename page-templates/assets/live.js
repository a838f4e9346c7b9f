// Keeps a page up to date while a run goes on. Everything can be read without it.
const root = new URL(document.documentElement.dataset.root, location.href);
const now = document.querySelector('#now[data-live]');
const announce = document.querySelector('#announce');

if (now) {
  let source = follow();
  // A browser keeps few connections to one place: pages that nobody looks at hold none.
  document.addEventListener('visibilitychange', () => {
    source.close();
    if (document.hidden) return;
    source = follow();
    refresh();
  });
}

function follow() {
  const events = new URL('events', root);
  events.searchParams.set('depth', String(document.documentElement.dataset.root.split('../').length - 1));
  if (now.dataset.live !== '') events.searchParams.set('build', now.dataset.live);
  const source = new EventSource(events);
  source.addEventListener('now', ({ data }) => show(data));
  source.addEventListener('changed', refresh);
  return source;
}

/** The fragment is rendered, and escaped, by the templates that made the page. */
function show(html) {
  const focused = now.contains(document.activeElement) ? document.activeElement.id : '';
  const before = stepText();
  const unfolded = unfoldedIn(now);
  now.innerHTML = html;
  unfold(unfolded);
  if (focused !== '') document.getElementById(focused)?.focus({ preventScroll: true });
  const after = stepText();
  // Readers are told of steps, not of each second.
  if (announce && after !== before) announce.textContent = after;
}

function unfoldedIn(part) {
  return [...part.querySelectorAll('details[open][id]')].map(({ id }) => id);
}

/** What a reader unfolded stays so when the part around it is shown anew. */
function unfold(ids) {
  for (const id of ids) document.getElementById(id)?.setAttribute('open', '');
}

function stepText() {
  const last = now.querySelector('.current > li:last-child');
  if (!last) return now.textContent.trim().split('\n')[0];
  return `${last.querySelector('a').textContent}: ${last.querySelector('.state').textContent.replace(/^\W+/, '')}`;
}

/** Takes the parts of the page that name builds from the server again. */
async function refresh() {
  const response = await fetch(location.href);
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), 'text/html');
  for (const part of document.querySelectorAll('[data-refresh]')) {
    const next = page.getElementById(part.id);
    if (next && next.innerHTML !== part.innerHTML && !part.contains(document.activeElement)) {
      const unfolded = unfoldedIn(part);
      part.replaceChildren(...next.childNodes);
      unfold(unfolded);
    }
  }
}
