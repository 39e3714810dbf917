// BullMQ: workers in processes of their own; delays, priorities, retries, flows and schedules.
import assert from 'node:assert/strict';
import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';
import { address, isWorker, until, withWorkers } from './support.mjs';

const connection = { ...address, maxRetriesPerRequest: null };

if (isWorker) {
  const work = {
    add: (job) => job.data.a + job.data.b,
    report: async (job) => {
      await job.updateProgress(50);
      await job.log('half');
      return 'reported';
    },
    failTwice: (job) => {
      if (job.attemptsMade < 2) throw new Error('not yet');
      return job.attemptsMade;
    },
    fail: () => { throw new Error('always'); },
    total: async (job) => Object.values(await job.getChildrenValues()).reduce((a, b) => a + b, 0),
    tick: () => 'tick',
  };
  const worker = new Worker('work', (job) => work[job.name](job), {
    connection, concurrency: 3, limiter: { max: 1000, duration: 1000 },
  });
  await worker.waitUntilReady();
  process.on('SIGTERM', async () => {
    await worker.close();
    process.exit(0);
  });
  console.log('ready');
} else {
  const queue = new Queue('work', { connection });
  const events = new QueueEvents('work', { connection });
  const flows = new FlowProducer({ connection });
  await events.waitUntilReady();
  const finished = (job) => job.waitUntilFinished(events, 40000);

  await withWorkers(import.meta.filename, 2, async () => {
    const jobs = await queue.addBulk(
      Array.from({ length: 20 }, (_, n) => ({ name: 'add', data: { a: n, b: n } })),
    );
    assert.deepEqual(await Promise.all(jobs.map(finished)), jobs.map((_, n) => 2 * n));
    const delayed = await queue.add('add', { a: 1, b: 2 }, { delay: 1000, priority: 5 });
    assert.ok(await delayed.isDelayed());
    const once = await queue.add('add', { a: 1, b: 1 }, { jobId: 'once' });
    assert.equal((await queue.add('add', { a: 5, b: 5 }, { jobId: 'once' })).id, once.id);
    assert.equal(await finished(once), 2);

    let progress;
    events.on('progress', ({ data }) => { progress = data; });
    const report = await queue.add('report', {});
    assert.equal(await finished(report), 'reported');
    await until(() => progress === 50, 'the progress is reported');
    assert.deepEqual((await queue.getJobLogs(report.id)).logs, ['half']);

    const retried = await queue.add('failTwice', {}, {
      attempts: 3, backoff: { type: 'exponential', delay: 50 },
    });
    assert.equal(await finished(retried), 2);
    const failing = await queue.add('fail', {});
    await assert.rejects(finished(failing), /always/);
    assert.ok(await failing.isFailed());

    const flow = await flows.add({
      name: 'total', queueName: 'work',
      children: [1, 2, 3].map((n) => ({ name: 'add', queueName: 'work', data: { a: n, b: n } })),
    });
    assert.equal(await finished(flow.job), 12);
    assert.equal(await finished(delayed), 3);

    await queue.upsertJobScheduler('ticks', { every: 200 }, { name: 'tick' });
    await until(
      async () => (await queue.getCompleted()).filter((job) => job.name === 'tick').length >= 3,
      'the scheduled job has run three times',
    );
    assert.ok(await queue.removeJobScheduler('ticks'));

    await queue.pause();
    const waiting = await queue.add('add', { a: 2, b: 2 });
    assert.equal((await queue.getJobCounts('paused', 'wait', 'failed')).failed, 1);
    await queue.resume();
    assert.equal(await finished(waiting), 4);
    assert.equal(await queue.getWorkersCount(), 2);
    assert.equal((await queue.clean(0, 1000, 'completed')).length >= 20, true);
  });
  await queue.obliterate({ force: true });
  for (const one of [flows, events, queue]) await one.close();
}
