// bee-queue: a worker in a process of its own; delays, retries, progress and failures.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import Queue from 'bee-queue';
import { address, isWorker, until, withWorkers } from './support.mjs';

const queue = new Queue('work', {
  redis: address, isWorker, activateDelayedJobs: true, storeJobs: true,
});
await queue.ready();

if (isWorker) {
  queue.process(2, async (job) => {
    if (job.data.fail > 0 && (job.options.retries ?? 0) >= job.data.until) throw new Error('not yet');
    await job.reportProgress({ half: true });
    return job.data.a + job.data.b;
  });
  process.on('SIGTERM', async () => {
    await queue.close();
    process.exit(0);
  });
  console.log('ready');
} else {
  const result = async (job) => {
    const done = once(job, 'succeeded');
    await job.save();
    return (await done)[0];
  };
  await withWorkers(import.meta.filename, 2, async () => {
    const sums = Array.from({ length: 10 }, (_, n) => result(queue.createJob({ a: n, b: n })));
    assert.deepEqual(await Promise.all(sums), sums.map((_, n) => 2 * n));

    const job = queue.createJob({ a: 1, b: 2 });
    const progress = once(job, 'progress');
    assert.equal(await result(job), 3);
    assert.deepEqual(await progress, [{ half: true }]);

    const later = queue.createJob({ a: 2, b: 2 }).delayUntil(Date.now() + 500);
    assert.equal(await result(later), 4);
    const retried = queue.createJob({ a: 3, b: 3, fail: 1, until: 2 }).retries(2).backoff('fixed', 50);
    const retrying = once(retried, 'retrying');
    assert.equal(await result(retried), 6);
    assert.match((await retrying)[0].message, /not yet/);
    const failing = queue.createJob({ fail: 1, until: 0 });
    const failed = once(failing, 'failed');
    await failing.save();
    assert.match((await failed)[0].message, /not yet/);
    await until(async () => (await queue.checkHealth()).succeeded === 13, 'jobs are counted');
    assert.equal((await queue.checkHealth()).failed, 1);
    assert.equal((await queue.getJobs('failed', { size: 5 }))[0].id, failing.id);
  });
  await queue.destroy();
  await queue.close();
}
