// A small Socket.IO client, for where npm's is not at hand: io() gives a socket with on(), emit(),
// connect() and disconnect().  Protocol 5 over Engine.IO 4, by WebSocket alone, text alone.
//
// A packet of Engine.IO is a digit and its data: 0 open, 2 ping, 3 pong, 4 message.  In a message, a
// packet of Socket.IO: 0 connect, 1 disconnect, 2 event, 3 answer; then the number that an event is
// to be answered by, if it is; then JSON.
'use strict';

function io() {
  const handlers = {}, answers = new Map();
  let ws = null, heart = null, next = 0, delay = 500, wanted = true;

  const socket = {
    connected: false,
    on(name, f) { (handlers[name] ??= []).push(f); return socket; },
    emit(name, ...args) {
      let id = '';
      if (typeof args.at(-1) === 'function') {
        id = next++;
        answers.set(id, args.pop());
      }
      if (socket.connected)
        ws.send(`42${id}${JSON.stringify([name, ...args])}`);
      return socket;
    },
    connect() { wanted = true; open(); return socket; },
    disconnect() { wanted = false; ws?.close(); return socket; },
  };

  const tell = (name, ...args) => (handlers[name] ?? []).forEach(f => f(...args));

  // The server pings; when it has not for too long, the connection is dead.
  const beat = limit => {
    clearTimeout(heart);
    heart = setTimeout(() => ws.close(), limit);
  };

  function take(text) {
    const [, type, id, json] = /^4(\d)(\d*)(.*)$/s.exec(text);
    const value = json ? JSON.parse(json) : undefined;
    if (type === '0') {
      socket.connected = true;
      delay = 500;
      tell('connect');
    } else if (type === '1') {
      ws.close();
    } else if (type === '2') {
      const [name, ...args] = value;
      if (id)
        args.push((...answer) => ws.send(`43${id}${JSON.stringify(answer)}`));
      tell(name, ...args);
    } else if (type === '3') {
      answers.get(Number(id))?.(...value);
      answers.delete(Number(id));
    }
  }

  function open() {
    let limit = 45000;
    ws = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/socket.io/?EIO=4&transport=websocket`);
    ws.onmessage = ({ data }) => {
      if (data[0] === '0') {
        const { pingInterval, pingTimeout } = JSON.parse(data.slice(1));
        limit = pingInterval + pingTimeout;
        ws.send('40');
      } else if (data === '2') {
        ws.send('3');
      } else if (data[0] === '4') {
        take(data);
      }
      beat(limit);
    };
    ws.onclose = () => {
      clearTimeout(heart);
      answers.clear();
      const was = socket.connected;
      socket.connected = false;
      if (was)
        tell('disconnect', wanted ? 'transport close' : 'io client disconnect');
      if (wanted)
        setTimeout(open, delay * (0.5 + Math.random()));
      delay = Math.min(delay * 2, 5000);
    };
  }

  open();
  return socket;
}
