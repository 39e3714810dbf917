// rate-limiter-flexible: points per key with both clients, penalties, blocks, bursts and unions.
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { BurstyRateLimiter, RateLimiterRedis, RateLimiterUnion } from 'rate-limiter-flexible';
import { createClient } from 'redis';
import { url } from './support.mjs';

const ioredis = new Redis(url);
const nodeRedis = await createClient({ url }).connect();

for (const [name, options] of [
  ['ioredis', { storeClient: ioredis }],
  ['node-redis', { storeClient: nodeRedis, useRedisPackage: true }],
]) {
  const limiter = new RateLimiterRedis({ ...options, keyPrefix: name, points: 5, duration: 60 });
  const taken = await Promise.allSettled(Array.from({ length: 8 }, () => limiter.consume('me')));
  assert.equal(taken.filter(({ status }) => status === 'fulfilled').length, 5, name);
  const refused = taken.find(({ status }) => status === 'rejected').reason;
  assert.equal(refused.remainingPoints, 0);
  assert.ok(refused.msBeforeNext > 50000 && refused.msBeforeNext <= 60000);

  assert.equal((await limiter.penalty('you', 2)).consumedPoints, 2);
  assert.equal((await limiter.reward('you', 1)).consumedPoints, 1);
  await limiter.set('you', 4, 60);
  assert.equal((await limiter.get('you')).consumedPoints, 4);
  await limiter.block('you', 30);
  await assert.rejects(limiter.consume('you'), ({ msBeforeNext }) => msBeforeNext <= 30000);
  assert.ok(await limiter.delete('you'));
  assert.equal(await limiter.get('you'), null);

  const burst = new RateLimiterRedis({ ...options, keyPrefix: `${name}:b`, points: 2, duration: 60 });
  const bursty = new BurstyRateLimiter(
    new RateLimiterRedis({ ...options, keyPrefix: `${name}:s`, points: 1, duration: 60 }), burst,
  );
  const calls = await Promise.allSettled([1, 2, 3, 4].map(() => bursty.consume('me')));
  assert.equal(calls.filter(({ status }) => status === 'fulfilled').length, 3, name);
  const union = new RateLimiterUnion(limiter, burst);
  assert.equal(Object.keys(await union.consume('new')).length, 2);
}
await ioredis.quit();
await nodeRedis.close();
