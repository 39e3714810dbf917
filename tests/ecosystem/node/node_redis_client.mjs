// node-redis: both protocols, transactions, scripts, Pub/Sub, streams, scans and pools.
import assert from 'node:assert/strict';
import { createClient, createClientPool, defineScript } from 'redis';
import { address, url } from './support.mjs';

const scripts = {
  multiply: defineScript({
    NUMBER_OF_KEYS: 1,
    SCRIPT: "return redis.call('SET', KEYS[1], redis.call('GET', KEYS[1]) * ARGV[1], 'GET')",
    parseCommand(parser, key, factor) {
      parser.pushKey(key);
      parser.push(String(factor));
    },
    transformReply: (reply) => reply,
  }),
};

for (const RESP of [2, 3]) {
  const client = await createClient({ socket: address, RESP, scripts, name: 'node', database: RESP }).connect();
  await client.flushDb();
  assert.equal(await client.set('n', '5', { expiration: { type: 'EX', value: 100 } }), 'OK');
  assert.equal(await client.multiply('n', 4), '5');
  assert.equal(await client.get('n'), '20');
  assert.deepEqual(await client.multi().incr('n').get('n').exec(), [21, '21']);
  await client.hSet('hash', { a: 'x', b: 'y' });
  assert.deepEqual({ ...(await client.hGetAll('hash')) }, { a: 'x', b: 'y' });
  await client.zAdd('zset', [{ score: 1.5, value: 'a' }, { score: Infinity, value: 'b' }]);
  assert.deepEqual(await client.zRangeWithScores('zset', 0, -1), [
    { value: 'a', score: 1.5 },
    { value: 'b', score: Infinity },
  ]);
  await assert.rejects(client.lPush('hash', 'x'), /WRONGTYPE/);

  const watching = await client.duplicate().connect();
  await watching.watch('n');
  await client.set('n', 'changed');
  await assert.rejects(watching.multi().set('n', 1).exec(), { name: 'Error' });

  const popped = watching.blPop('queue', 10);
  await client.rPush('queue', 'job');
  assert.deepEqual({ ...(await popped) }, { key: 'queue', element: 'job' });

  const subscriber = await client.duplicate().connect();
  const received = new Promise((resolve) => subscriber.subscribe('news', resolve).then(
    () => client.publish('news', 'hello'),
  ));
  assert.equal(await received, 'hello');
  const sharded = new Promise((resolve) => subscriber.sSubscribe('shard', resolve).then(
    () => client.sPublish('shard', 'hello'),
  ));
  assert.equal(await sharded, 'hello');

  const id = await client.xAdd('stream', '*', { field: 'value' });
  const [read] = await client.xRead({ key: 'stream', id: '0' });
  assert.deepEqual(read.messages.map((m) => [m.id, { ...m.message }]), [[id, { field: 'value' }]]);
  await Promise.all(Array.from({ length: 300 }, (_, n) => client.set(`key:${n}`, n.toString())));
  let found = 0;
  for await (const keys of client.scanIterator({ MATCH: 'key:*', COUNT: 100 })) {
    found += keys.length;
  }
  assert.equal(found, 300);
  assert.equal((await client.clientInfo()).name, 'node');
  for (const one of [client, watching, subscriber]) await one.close();
}

const pool = await createClientPool({ url }, { maximum: 4 }).connect();
await Promise.all(Array.from({ length: 20 }, () => pool.incr('pooled')));
assert.equal(await pool.get('pooled'), '20');
await pool.close();
