// The row of the queue service's client in JavaScript, by the service's own package: eight chains of
// one client, as bench/sqs.c has eight tasks.  `node sqs.mjs MODULES ROW|--list`.
import { createRequire } from 'node:module';
import process from 'node:process';

const [modules, row] = process.argv.slice(2);
const CLIENTS = 8, BATCH = 10, MESSAGES = 4000, BODY = 'x'.repeat(100);

const tens = entry => Array.from({ length: BATCH }, (_, i) => ({ Id: String(i), ...entry(i) }));

function check(answer) {
    if (answer.Successful?.length !== BATCH)
        throw new Error(`not all of a batch: ${JSON.stringify(answer)}`);
}

// Seconds of processor time of this process: what getrusage() says.
function used() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
}

function makeClient() {
    const sqs = createRequire(modules + '/')('@aws-sdk/client-sqs');
    const client = new sqs.SQSClient({
        endpoint: process.env.BENCH_SQS, region: 'us-east-1',
        credentials: { accessKeyId: 'key', secretAccessKey: 'secret' } });
    return (name, input) => client.send(new sqs[name + 'Command'](input));
}

async function sendSome(call, QueueUrl) {
    check(await call('SendMessageBatch',
                     { QueueUrl, Entries: tens(() => ({ MessageBody: BODY })) }));
}

async function takeSome(call, QueueUrl) {
    const { Messages } = await call('ReceiveMessage', {
        QueueUrl, MaxNumberOfMessages: BATCH, WaitTimeSeconds: 1, AttributeNames: ['All'],
        MessageAttributeNames: ['All'] });
    check(await call('DeleteMessageBatch', {
        QueueUrl, Entries: tens(i => ({ ReceiptHandle: Messages[i].ReceiptHandle })) }));
}

async function workOn(call, urls, n) {
    let left = n; // messages that nobody has begun with
    await Promise.all(urls.map(async url => {
        while (left > 0) {
            left -= BATCH;
            await sendSome(call, url);
            await takeSome(call, url);
        }
    }));
}

async function measure() {
    const call = makeClient(), urls = [];
    const scale = Number(process.env.BENCH_SCALE ?? 1);
    const n = Math.max(Math.floor(MESSAGES / BATCH / scale), CLIENTS) * BATCH;
    for (let i = 0; i < CLIENTS; i++)
        urls.push((await call('CreateQueue',
                              { QueueName: `bench-${process.pid}-${i}` })).QueueUrl);
    await workOn(call, urls, CLIENTS * BATCH);
    const began = process.hrtime.bigint(), before = used();
    await workOn(call, urls, n);
    console.log(`sqs\t${n / (Number(process.hrtime.bigint() - began) / 1e9) / 1e3}`);
    console.log(`sqs-cpu\t${(used() - before) * 1e6 / n}`);
    for (const QueueUrl of urls)
        await call('DeleteQueue', { QueueUrl });
}

if (row === '--list')
    console.log('sqs');
else if (row === 'sqs')
    await measure();
else
    process.exit(2);
