// What the scenarios share: the address of the server, worker processes, and waiting.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';

export const url = process.env.REDIS_URL;
export const address = { host: new URL(url).hostname, port: Number(new URL(url).port) };
const SECONDS = 40;

// Run this file once more as a worker, do the work, and end the worker with SIGTERM.
export async function withWorkers(file, count, work) {
  const workers = [];
  for (let n = 0; n < count; n += 1) {
    const worker = spawn(process.execPath, [file, 'worker'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    workers.push(worker);
    await once(worker.stdout, 'data');
  }
  try {
    await work();
  } finally {
    for (const worker of workers) {
      worker.kill();
      await once(worker, 'exit');
    }
  }
}

export const isWorker = process.argv[2] === 'worker';

export async function until(condition, what) {
  const deadline = Date.now() + SECONDS * 1000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${SECONDS} s: ${what}`);
    await pause(20);
  }
}
