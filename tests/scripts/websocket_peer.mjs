// npm's ws as a client of an echo server, and as an echo server: for websocket.py.
//   node websocket_peer.mjs MODULES client URL     talks, exits 0 when all was as it should be
//   node websocket_peer.mjs MODULES server         prints its port, serves until stdin ends
import { createRequire } from 'node:module';
import assert from 'node:assert';

const [modules, role, url] = process.argv.slice(2);
const WebSocket = createRequire(modules + '/')('ws');

const once = (emitter, name) => new Promise((resolve, reject) => {
    emitter.once('error', reject);
    emitter.once(name, (...args) => { emitter.off('error', reject); resolve(args); });
});

async function echo(ws, data, options) {
    const answer = once(ws, 'message');
    ws.send(data, options ?? {});
    const [got, binary] = await answer;
    assert.strictEqual(binary, typeof data !== 'string');
    assert.ok(Buffer.from(data).equals(got));
}

async function client() {
    const ws = new WebSocket(url);
    await once(ws, 'open');
    assert.strictEqual(ws.extensions, '');
    for (const n of [0, 1, 125, 126, 65535, 65536, 1 << 20]) {
        await echo(ws, 'x'.repeat(n));
        await echo(ws, Buffer.alloc(n, n & 255));
    }
    await echo(ws, 'grüße, 😀');
    const whole = once(ws, 'message');
    ws.send('in ', { fin: false });
    ws.ping('between');
    ws.send('pieces', { fin: true });
    assert.strictEqual(String((await whole)[0]), 'in pieces');
    const pong = once(ws, 'pong');
    ws.ping('are you there?');
    assert.strictEqual(String((await pong)[0]), 'are you there?');
    const closed = once(ws, 'close');
    ws.close(4001, 'bye');
    assert.strictEqual((await closed)[0], 4001);

    const greedy = new WebSocket(url);
    await once(greedy, 'open');
    const refused = once(greedy, 'close');
    greedy.send(Buffer.alloc((1 << 20) + 1));
    assert.strictEqual((await refused)[0], 1009);

    const foreign = new WebSocket(url, { origin: 'https://evil.example' });
    const [, answer] = await once(foreign, 'unexpected-response');
    assert.strictEqual(answer.statusCode, 403);
    answer.destroy();
}

function server() {
    const wss = new WebSocket.Server({ port: 0, host: '127.0.0.1', perMessageDeflate: true });
    wss.on('connection', ws => {
        ws.on('message', (data, binary) => ws.send(data, { binary }));
        ws.ping();
    });
    wss.on('listening', () => console.log(wss.address().port));
    process.stdin.on('end', () => process.exit(0)).resume();
}

if (role === 'server')
    server();
else
    client().then(() => process.exit(0), error => { console.error(error); process.exit(1); });
