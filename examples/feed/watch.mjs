// watch.c with npm's Socket.IO client: the same arguments, the same lines.
//
//   node watch.mjs MODULES URL [--clients 10] [--items 1000] [--run NAME] [--seconds 60]
//                  [--transports websocket,polling]
//
// MODULES is the folder that has node_modules/socket.io-client, URL is http://host:port.
import { createRequire } from 'node:module';

const [modules, url, ...words] = process.argv.slice(2);
const { io } = createRequire(`${modules}/`)('socket.io-client');
const options = { clients: 10, items: 1000, run: 'produce', seconds: 60, transports: '' };
for (let i = 0; i < words.length; i += 2) {
  const name = words[i].slice(2);
  options[name] = typeof options[name] === 'number' ? Number(words[i + 1]) : words[i + 1];
}
const { clients, items, run, seconds } = options;
const transports = options.transports ? options.transports.split(',') : undefined;

let connected = 0, complete = 0, arrived = 0, twice = 0, turned = 0, late = 0, breaks = 0;
let first = 0, last = 0;
const latencies = [];
const sockets = [];

function note(client, item, live) {
  if (item?.run !== run || !(item.n >= 1 && item.n <= items))
    return;
  if (live) {
    last = performance.now();
    if (arrived++ === 0)
      first = last;
    turned += item.n < client.highest;
    client.highest = item.n;
    latencies.push(performance.timeOrigin + last - item.at);
  }
  if (client.seen.has(item.n)) {
    twice += live;
    return;
  }
  client.seen.add(item.n);
  late += !live;
  if (client.seen.size === items && ++complete === clients)
    setTimeout(finish, 200);  // what comes twice comes now
}

function finish() {
  latencies.sort((a, b) => a - b);
  const quantile = part => Number((latencies[Math.floor(part * (latencies.length - 1))] ?? 0).toFixed(1));
  const missing = clients * items - arrived - late + twice;
  const time = (last - first) / 1000;
  console.log(JSON.stringify({
    clients, items, arrived, missing, twice, out_of_order: turned, only_kept: late, breaks,
    seconds: Number(time.toFixed(3)), per_second: time > 0 ? Math.round(arrived / time) : 0,
    p50_ms: quantile(0.5), p99_ms: quantile(0.99), max_ms: quantile(1),
  }));
  sockets.forEach(socket => socket.disconnect());
  process.exit(missing || twice || late ? 1 : 0);
}

for (let i = 0; i < clients; i++) {
  const client = { seen: new Set(), highest: 0, ready: false };
  const socket = io(url, { forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 500,
    ...(transports && { transports }) });
  sockets.push(socket);
  socket.on('connect', () => {
    client.highest = 0;
    if (!client.ready && ++connected === clients)
      setTimeout(() => console.log('ready'), transports ? 0 : 300);  // when upgrades are over
    client.ready = true;
  });
  socket.on('disconnect', () => { breaks++; });
  socket.on('items', (some, more, done) => { some.forEach(({ item }) => note(client, item, false)); done?.(); });
  socket.on('item_added', ({ item }) => note(client, item, true));
}
setTimeout(finish, seconds * 1000);
