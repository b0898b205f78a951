// A server that broadcasts on npm's socket.io, as bench/sio.c is one: `node socketio.mjs MODULES
// ROW|--list`.
//
// The load generator, bench_sioload beside the one that BENCH_LOAD names, is started with the row
// and the port; it measures this process, prints the figures, and the server ends with it.
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { dirname } from 'node:path';
import { spawn } from 'node:child_process';

const [modules, row] = process.argv.slice(2);
const rows = ['sio-broadcast', 'sio-idle'];
const TEXT = '0123456789012345678901234567890123456789012345678';

function serve() {
    const { Server } = createRequire(modules + '/')('socket.io');
    const http = createServer();
    const io = new Server(http, { serveClient: false });
    io.on('connection', socket => socket.on('go', () => io.emit('news', TEXT)));
    http.listen(0, '127.0.0.1', 1024, () => {
        const load = spawn(dirname(process.env.BENCH_LOAD) + '/bench_sioload',
                           [row, String(http.address().port)], { stdio: 'inherit' });
        load.on('exit', code => process.exit(code ?? 1));
    });
}

if (row === '--list')
    console.log(rows.join('\n'));
else if (rows.includes(row))
    serve();
else
    process.exit(2);
