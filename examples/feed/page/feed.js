// The page: keeps a list of items in step with the service.
//
// Three events tell it everything.  'items' comes in pieces after each connection: what is kept; when
// the last piece is there, whatever was not among them is gone, and so a page that was away catches
// up.  'item_added' and 'item_removed' come as things happen.  Items are known by their ids: one that
// comes twice is shown once.
'use strict';

const MOST = 500;     // items shown
const SECONDS = 60;   // in the chart

const $ = id => document.getElementById(id);
const list = $('items');
const items = new Map();  // id -> its <li>
let missing = null;       // ids of those that were shown before the connection, not seen again yet
let held = [];            // what came while the page holds still
let arrived = 0;

// ---- the list ----

// Items are other people's: whatever is in them, there are words for it, and a time.
function describe(item) {
  return typeof item?.text === 'string' ? item.text : String(JSON.stringify(item));
}

function timeOf(item) {
  const at = new Date(typeof item?.at === 'number' ? item.at : NaN);
  return isNaN(at) ? new Date() : at;
}

function makeEntry(id, item) {
  const entry = document.createElement('li');
  const what = document.createElement('span');
  const when = document.createElement('time');
  const remove = document.createElement('button');
  what.className = 'what';
  what.textContent = describe(item);
  const date = timeOf(item);
  when.dateTime = date.toISOString();
  when.textContent = date.toLocaleTimeString();
  remove.textContent = '×';
  remove.setAttribute('aria-label', `Remove: ${describe(item).slice(0, 80)}`);
  remove.onclick = () => socket.emit('item_removed', id);
  entry.dataset.id = id;
  entry.append(what, when, remove);
  return entry;
}

function show(id, item, fresh) {
  missing?.delete(id);
  if (items.has(id))
    return;
  const entry = makeEntry(id, item);
  if (fresh)
    entry.classList.add('fresh');
  items.set(id, entry);
  list.prepend(entry);
  while (items.size > MOST)
    take(list.lastElementChild.dataset.id);
}

// The focus goes on to the next one.
function take(id) {
  const entry = items.get(id);
  if (!entry)
    return;
  if (entry.contains(document.activeElement))
    ((entry.nextElementSibling ?? entry.previousElementSibling)?.querySelector('button') ?? $('text')).focus();
  entry.remove();
  items.delete(id);
}

// ---- the service ----

const socket = io();

function setState(state, words) {
  $('state').dataset.state = state;
  $('state').textContent = words;
}

socket.on('connect', () => {
  missing = new Set(items.keys());
  setState('connected', 'connected');
  $('problem').textContent = '';
});
socket.on('disconnect', () => setState('disconnected', 'disconnected, trying again'));
socket.on('items', (some, more, done) => {
  for (const { id, item } of some)
    show(id, item, false);
  if (!more && missing) {
    for (const id of missing)
      take(id);
    missing = null;
  }
  done?.();  // it is sent to all without asking when copies of the service meet again
});
socket.on('item_added', ({ id, item }) => {
  arrived++;
  counts[counts.length - 1]++;
  held.push([id, item]);
  if (held.length > 2 * MOST)  // nobody looks: frames are not drawn
    held = held.slice(-MOST);
});
socket.on('item_removed', id => {
  held = held.filter(([other]) => other !== id);
  take(id);
});

// What has come is shown once for each frame, however much it is.
function refresh() {
  requestAnimationFrame(refresh);
  const some = $('hold').checked ? [] : held.splice(0);
  for (const [id, item] of some.slice(-MOST))
    show(id, item, true);
  $('shown').textContent = items.size;
  $('arrived').textContent = arrived;
}

// ---- adding, and the keyboard ----

async function add(text) {
  const answer = await fetch('items', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ text, at: Date.now() }),
  }).catch(() => { throw new Error('the service does not answer'); });
  if (!answer.ok)
    throw new Error((await answer.json().catch(() => ({}))).error ?? answer.statusText);
}

$('add').addEventListener('submit', async event => {
  event.preventDefault();
  try {
    await add($('text').value);
    $('text').value = '';
    $('problem').textContent = '';
  } catch (error) {
    $('problem').textContent = `Not added: ${error.message}`;
  }
});

document.addEventListener('keydown', event => {
  const entry = document.activeElement.closest?.('#items > li');
  const step = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key];
  if (event.ctrlKey || event.altKey || event.metaKey)
    return;  // the browser's
  if (event.key === 'n' && document.activeElement !== $('text')) {
    $('text').focus();
  } else if (step && (entry || document.activeElement === list)) {
    (entry ? entry[step] : list.firstElementChild)?.querySelector('button').focus();
  } else if (event.key === 'Delete' && entry) {
    entry.querySelector('button').click();
  } else {
    return;
  }
  event.preventDefault();
});

// ---- the chart ----

const counts = new Array(SECONDS + 1).fill(0);  // the last one is the second that runs

function draw() {
  const canvas = $('chart'), scale = devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext('2d');
  const colours = getComputedStyle(document.documentElement);
  const full = counts.slice(0, SECONDS), peak = Math.max(1, ...full);
  const x = i => i * width / (SECONDS - 1), y = n => height - 2 - n / peak * (height - 6);
  pen.scale(scale, scale);
  pen.strokeStyle = colours.getPropertyValue('--line');
  pen.beginPath();
  for (const part of [0, 0.5, 1]) {
    pen.moveTo(0, y(part * peak));
    pen.lineTo(width, y(part * peak));
  }
  pen.stroke();
  const line = new Path2D();
  full.forEach((n, i) => line.lineTo(x(i), y(n)));
  pen.strokeStyle = pen.fillStyle = colours.getPropertyValue('--accent');
  pen.lineWidth = 2;
  pen.lineJoin = 'round';
  pen.stroke(line);
  line.lineTo(width, height);
  line.lineTo(0, height);
  pen.globalAlpha = 0.15;
  pen.fill(line);
}

function second() {
  counts.push(0);
  counts.shift();
  const last = counts[SECONDS - 1], peak = Math.max(...counts.slice(0, SECONDS));
  $('rate').textContent = last;
  $('peak').textContent = peak > 0 ? `(peak ${peak})` : '';
  $('chart').setAttribute('aria-label',
    `Items per second in the last minute: ${last} now, ${peak} at most`);
  draw();
}

setInterval(second, 1000);
addEventListener('resize', draw);
draw();
refresh();
