// An echo server on npm's ws, as bench/websocket.c is one: `node websocket.mjs MODULES ROW|--list`.
//
// The load generator, named by BENCH_LOAD, is started with the row and the port; it measures this
// process, prints the figures, and the server ends with it.
import { createRequire } from 'node:module';
import { spawn } from 'node:child_process';

const [modules, row] = process.argv.slice(2);
const rows = ['websocket-50', 'websocket-1000', 'websocket-50x16', 'websocket-idle'];

function serve() {
    const WebSocket = createRequire(modules + '/')('ws');
    const server = new WebSocket.Server({ host: '127.0.0.1', port: 0, perMessageDeflate: false,
                                          backlog: 1024 });
    server.on('connection', ws => {
        ws.on('message', (data, binary) => ws.send(data, { binary }));
        ws.on('error', () => {});
    });
    server.on('listening', () => {
        const load = spawn(process.env.BENCH_LOAD, [row, String(server.address().port)],
                           { stdio: 'inherit' });
        load.on('exit', code => process.exit(code ?? 1));
    });
}

if (row === '--list')
    console.log(rows.join('\n'));
else if (rows.includes(row))
    serve();
else
    process.exit(2);
