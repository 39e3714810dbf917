// ioredis: pipelines, transactions, scripts, streams, blocking reads, Pub/Sub and scans.
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { url } from './support.mjs';

const redis = new Redis(url);
const other = redis.duplicate();

await redis.set('key', 'value', 'EX', 100);
assert.equal(await redis.get('key'), 'value');
assert.deepEqual(await redis.getBuffer('key'), Buffer.from('value'));
assert.equal(await redis.hset('hash', { a: 1, b: 2 }), 2);
assert.deepEqual(await redis.hgetall('hash'), { a: '1', b: '2' });

const replies = await redis.pipeline().incr('n').incrby('n', 5).lpush('n', 'x').exec();
assert.deepEqual(replies.slice(0, 2), [[null, 1], [null, 6]]);
assert.match(replies[2][0].message, /^WRONGTYPE/);

await redis.watch('n');
await other.incr('n');
assert.equal(await redis.multi().set('n', 0).exec(), null);
assert.deepEqual(await redis.multi().get('n').exec(), [[null, '7']]);

redis.defineCommand('addUpTo', {
  numberOfKeys: 1,
  lua: `local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
        if sum > tonumber(ARGV[2]) then
          redis.call('SET', KEYS[1], ARGV[2])
          return redis.error_reply('LIMIT reached ' .. sum)
        end
        return {sum, 'ok'}`,
});
assert.deepEqual(await redis.addUpTo('sum', 3, 5), [3, 'ok']);
await assert.rejects(redis.addUpTo('sum', 3, 5), /LIMIT reached 6/);
await redis.script('FLUSH');
assert.deepEqual(await redis.pipeline().addUpTo('sum2', 3, 5).exec(), [[null, [3, 'ok']]]);

const popped = other.blpop('queue', 10);
await redis.rpush('queue', 'job');
assert.deepEqual(await popped, ['queue', 'job']);

await redis.xgroup('CREATE', 'stream', 'group', '$', 'MKSTREAM');
const reading = other.xreadgroup(
  'GROUP', 'group', 'me', 'COUNT', 1, 'BLOCK', 10000, 'STREAMS', 'stream', '>',
);
const id = await redis.xadd('stream', '*', 'field', 'value');
assert.deepEqual(await reading, [['stream', [[id, ['field', 'value']]]]]);
assert.equal(await redis.xack('stream', 'group', id), 1);

const subscriber = redis.duplicate();
const messages = [];
const received = new Promise((resolve) => {
  subscriber.on('pmessage', (pattern, channel, message) => {
    messages.push([pattern, channel, message]);
    if (messages.length === 2) resolve();
  });
});
await subscriber.psubscribe('news.*');
await redis.publish('news.a', '1');
await redis.publish('news.b', '2');
await received;
assert.deepEqual(messages, [['news.*', 'news.a', '1'], ['news.*', 'news.b', '2']]);

for (let n = 0; n < 500; n += 1) redis.sadd('set', `member:${n}`);
const found = new Set();
for await (const page of redis.sscanStream('set', { match: 'member:*', count: 50 })) {
  page.forEach((member) => found.add(member));
}
assert.equal(found.size, 500);
assert.ok((await redis.info()).includes('redis_version'));

const automatic = new Redis(url, { enableAutoPipelining: true, db: 1 });
assert.deepEqual(
  await Promise.all([automatic.set('a', 1), automatic.incr('a'), automatic.get('a')]),
  ['OK', 2, '2'],
);
for (const client of [redis, other, subscriber, automatic]) await client.quit();
