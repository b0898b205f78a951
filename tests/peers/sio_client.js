// The tests with npm's socket.io-client: node sio_client.js PORT [reconnects N | survive | distrust]
//
// Each runs by polling only, by WebSocket only, and with the upgrade from one to the other; by TLS if
// SIO_CA names whom to believe.
'use strict';
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');
const { io } = createRequire(path.join(process.env.NODE_PEERS, 'x.js'))('socket.io-client');

const port = process.argv[2];
const authority = process.env.SIO_CA;
const url = `${authority ? 'https' : 'http'}://127.0.0.1:${port}`;
const tls = authority ? { ca: fs.readFileSync(authority), rejectUnauthorized: true } : {};
const ways = {
  polling: ['polling'],
  websocket: ['websocket'],
  upgrade: ['polling', 'websocket'],
};

function connect(transports, nsp = '/', options = {}) {
  return io(url + nsp, { transports, forceNew: true, reconnection: false, ...tls, ...options });
}

function next(emitter, event) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${event}`)), 8000);
    emitter.once(event, (...args) => {
      clearTimeout(timer);
      resolve(args);
    });
  });
}

async function open(transports, nsp, options) {
  const s = connect(transports, nsp, options);
  const auth = next(s, 'auth');
  await next(s, 'connect');
  s.first = (await auth)[0];
  if (transports.length > 1 && s.io.engine.transport.name !== 'websocket')
    await next(s.io.engine, 'upgrade');
  return s;
}

const tests = {
  async events(way) {
    const s = await open(way);
    const date = new Date(0);
    s.emit('message', 1, '2', { 3: [true] }, null, 'é\u0001"', date, 0.1, 1e21);
    assert.deepStrictEqual(await next(s, 'message-back'),
      [1, '2', { 3: [true] }, null, 'é\u0001"', date.toISOString(), 0.1, 1e21]);
    for (let i = 0; i < 100; i++) s.emit('message', i);
    const got = [];
    await new Promise((resolve) => s.on('message-back', (i) => {
      got.push(i);
      if (got.length === 100) resolve();
    }));
    assert.deepStrictEqual(got, [...Array(100).keys()]);
    s.disconnect();
  },

  async acks(way) {
    const s = await open(way);
    assert.deepStrictEqual(await s.emitWithAck('message-with-ack', 'a'), 'a');
    s.once('question', (...args) => args.pop()(...args, 'answer'));
    const answer = await new Promise((resolve) => s.emit('question', 7, (...a) => resolve(a)));
    assert.deepStrictEqual(answer, [7, 'answer']);
    assert.strictEqual(await s.emitWithAck('question'), 'no answer');
    await assert.rejects(s.timeout(50).emitWithAck('nobody'));
    s.disconnect();
  },

  async binary(way) {
    const s = await open(way);
    const big = Buffer.alloc(100000, 'abc');
    s.emit('message', { a: Buffer.from([0, 1, 255]) }, big, Buffer.alloc(0));
    const [o, b, empty] = await next(s, 'message-back');
    assert.ok(Buffer.from([0, 1, 255]).equals(Buffer.from(o.a)));
    assert.ok(big.equals(Buffer.from(b)));
    assert.strictEqual(Buffer.from(empty).length, 0);
    const back = await s.emitWithAck('message-with-ack', Buffer.from('xyz'));
    assert.strictEqual(Buffer.from(back).toString(), 'xyz');
    s.disconnect();
  },

  async rooms(way) {
    const all = await Promise.all([open(way), open(way), open(way)]);
    const heard = [[], [], []];
    all.forEach((s, i) => s.on('told', (room, text) => heard[i].push(text)));
    await all[0].emitWithAck('join', 'red');
    await all[1].emitWithAck('join', 'red');
    all[0].emit('tell', 'red', 'from 0');
    all[2].emit('tell', 'red', 'from 2');
    all[1].emit('tell', all[2].id, 'to 2');
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const s of all) await s.emitWithAck('message-with-ack', 1);
    assert.deepStrictEqual(heard.map((h) => h.sort()), [['from 2'], ['from 0', 'from 2'], ['to 2']]);
    all.forEach((s) => s.disconnect());
  },

  async namespaces(way) {
    const s = await open(way, '/', { auth: { token: 'x' } });
    assert.deepStrictEqual(s.first, { token: 'x' });
    const custom = s.io.socket('/custom', { auth: { n: 1 } });
    custom.connect();
    assert.deepStrictEqual(await next(custom, 'auth'), [{ n: 1 }]);
    assert.deepStrictEqual(await custom.emitWithAck('message-with-ack', 5), 5);
    custom.disconnect();
    custom.connect();
    await next(custom, 'auth');
    const unknown = s.io.socket('/unknown');
    unknown.connect();
    assert.strictEqual((await next(unknown, 'connect_error'))[0].message, 'Invalid namespace');
    assert.deepStrictEqual(await s.emitWithAck('message-with-ack', 6), 6);
    s.disconnect();
    custom.disconnect();
  },

  async middleware(way) {
    const s = connect(way, '/guarded');
    const [error] = await next(s, 'connect_error');
    assert.strictEqual(error.message, 'not authorised');
    assert.deepStrictEqual(error.data, { code: 42 });
    s.auth = { token: '123' };
    s.connect();
    assert.deepStrictEqual(await next(s, 'auth'), [{ token: '123' }]);
    s.disconnect();
  },

  async disconnects(way) {
    const s = await open(way);
    s.emit('kick');
    assert.strictEqual((await next(s, 'disconnect'))[0], 'io server disconnect');
    const t = await open(way);
    t.emit('kick', 1);
    assert.strictEqual((await next(t, 'disconnect'))[0], 'io server disconnect');
  },

  async heartbeat(way) {
    const s = await open(way);
    await next(s.io, 'ping');
    await next(s.io, 'ping');
    assert.ok(s.connected);
    s.disconnect();
  },
};

async function reconnects(n) {
  const s = await open(['websocket']);
  for (let i = 0; i < n; i++) {
    s.disconnect();
    s.connect();
    await next(s, 'auth');
  }
  assert.strictEqual(await s.emitWithAck('message-with-ack', n), n);
  while (await s.emitWithAck('count') !== 1); // the one before is still going
  s.disconnect();
  console.log(`${n} reconnects`);
}

// Stays connected while the server is ended and started again by whoever started this.
async function survive() {
  const all = [];
  for (const way of Object.values(ways)) {
    const s = await open(way, '/', { reconnection: true, reconnectionDelay: 50,
      reconnectionDelayMax: 200 });
    all.push(s);
  }
  console.log('connected');
  const gone = all.map((s) => next(s, 'disconnect'));
  await Promise.all(gone);
  console.log('disconnected');
  await Promise.all(all.map((s) => next(s, 'auth')));
  for (const s of all) assert.strictEqual(await s.emitWithAck('message-with-ack', 1), 1);
  console.log('connected again');
  all.forEach((s) => s.disconnect());
}

// The server's certificate is of nobody whom the client believes: it does not connect.
async function distrust() {
  for (const [way, transports] of Object.entries(ways)) {
    const s = connect(transports);
    s.on('connect', () => assert.fail(`connected by ${way}`));
    const words = await new Promise((resolve) => s.once('connect_error', (error) => {
      const { description, context } = error; // of a WebSocket; of polling, for the moment
      resolve(`${description && description.message} ${context && context.statusText}`);
    }));
    assert.match(words, /self-signed certificate/, way);
    s.disconnect();
  }
  console.log('not believed');
}

async function run(name, way) {
  try {
    await tests[name](ways[way]);
  } catch (error) {
    throw new Error(`${name} by ${way}: ${error.stack}`);
  }
}

async function main() {
  if (process.argv[3] === 'reconnects') return reconnects(Number(process.argv[4]));
  if (process.argv[3] === 'survive') return survive();
  if (process.argv[3] === 'distrust') return distrust();
  // Heartbeats come every two seconds: the other tests need not wait for them.
  const beats = Promise.all(Object.keys(ways).map((way) => run('heartbeat', way)));
  for (const name of Object.keys(tests).filter((name) => name !== 'heartbeat'))
    for (const way of Object.keys(ways)) await run(name, way);
  await beats;
  console.log(`${Object.keys(tests).length} tests, each by ${Object.keys(ways).join(', ')}`);
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
