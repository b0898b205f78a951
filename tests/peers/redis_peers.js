// A server of node's beside two of ours, behind one Redis, and an emitter: who gets what.
//
// node redis_peers.js unix://SOCKET PORT PORT: exits 0 and says "N checks" if all is as it should be.
"use strict";
const assert = require("assert");
const { createClient } = require("redis");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-adapter");
const { Emitter } = require("@socket.io/redis-emitter");
const { io: connect } = require("socket.io-client");

const [url, ...ports] = process.argv.slice(2);
const clients = [];
let checks = 0;

const once = (socket, event) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${event} has not come`)), 5000);
    socket.once(event, (...args) => { clearTimeout(timer); resolve(args); });
});

// What `fn` does reaches exactly these clients, with these arguments.
async function reaches(event, wanted, args, fn) {
    const strays = clients.filter((c) => !wanted.includes(c));
    const stray = (...a) => { throw new Error(`${event} has come to another: ${a}`); };
    strays.forEach((c) => c.on(event, stray));
    const all = Promise.all(wanted.map((c) => once(c, event)));
    fn();
    for (const got of await all) assert.deepStrictEqual(got, args);
    await new Promise((resolve) => setTimeout(resolve, 50));
    strays.forEach((c) => c.off(event, stray));
    checks++;
}

async function main() {
    const pub = createClient({ socket: { path: url.replace("unix://", "") } });
    await pub.connect();
    const sub = pub.duplicate();
    await sub.connect();
    const server = new Server(0, { adapter: createAdapter(pub, sub, { requestsTimeout: 3000 }) });
    server.on("connection", (s) => s.join(s.handshake.query.room));
    await new Promise((resolve) => server.httpServer.listening ? resolve()
        : server.httpServer.once("listening", resolve));
    const addresses = [...ports, server.httpServer.address().port];
    for (const [i, port] of addresses.entries()) {
        const c = connect(`http://127.0.0.1:${port}`,
            { transports: ["websocket"], query: { room: i === 1 ? "red" : "blue" } });
        await once(c, "connect");
        c.on("ask", (question, ack) => ack({ from: i, question }));
        clients.push(c);
    }
    const [a, b, n] = clients;

    // ours to node's
    await reaches("all", [a, b, n], [1, { x: [null, "é", 1.5] }],
        () => a.emit("all", 1, { x: [null, "é", 1.5] }));
    await reaches("all", [a, b, n], [Buffer.from([0, 255])],
        () => a.emit("all", Buffer.from([0, 255])));
    await reaches("room", [a, n], ["blue"], () => b.emit("room", "blue"));
    await reaches("room", [b], ["red"], () => a.emit("room", "red"));

    // node's to ours
    await reaches("news", clients, [{ deep: [1, [2]] }, -5],
        () => server.emit("news", { deep: [1, [2]] }, -5));
    await reaches("news", [b], ["x"], () => server.to("red").emit("news", "x"));
    await reaches("news", [b], ["y"], () => server.to(b.id).emit("news", "y"));
    await reaches("news", [a, n], ["z"], () => server.except("red").emit("news", "z"));
    await reaches("news", clients, [new Date(86400125).toISOString(), Buffer.from("ab")],
        () => server.emit("news", new Date(86400125), Buffer.from("ab")));

    // an emitter's to all
    const emitter = new Emitter(pub);
    await reaches("emitted", clients, ["e", 7], () => emitter.emit("emitted", "e", 7));
    await reaches("emitted", [a, n], [Buffer.from([1])],
        () => emitter.to("blue").emit("emitted", Buffer.from([1])));

    // what node asks
    const sockets = await server.fetchSockets();
    assert.deepStrictEqual(sockets.map((s) => s.id).sort(), clients.map((c) => c.id).sort());
    const red = await server.in("red").fetchSockets();
    assert.deepStrictEqual(red.map((s) => s.id), [b.id]);
    assert(red[0].rooms.has("red") && red[0].rooms.has(b.id));
    assert((await server.of("/").adapter.allRooms()).has("red"));
    checks += 4;
    const answers = await server.timeout(3000).emitWithAck("ask", "why");
    assert.deepStrictEqual(answers.sort((x, y) => x.from - y.from),
        [0, 1, 2].map((from) => ({ from, question: "why" })));
    checks++;
    await reaches("serverEvent", clients, [1], () => server.serverSideEmit("serverEvent", 1));
    const said = await server.serverSideEmitWithAck("other");
    assert.deepStrictEqual(said, [null, null]);
    checks++;

    // what node and the emitter do
    server.in("red").socketsJoin("new");
    await new Promise((resolve) => setTimeout(resolve, 200));
    await reaches("news", [b], [1], () => server.to("new").emit("news", 1));
    emitter.in("red").socketsLeave("new");
    await new Promise((resolve) => setTimeout(resolve, 200));
    await reaches("news", [], [], () => server.to("new").emit("news", 1));
    const gone = once(b, "disconnect");
    emitter.in("red").disconnectSockets(true);
    await gone;
    checks++;

    console.log(`${checks} checks`);
    process.exit(0);
}

main().catch((error) => { console.error(error); process.exit(1); });
