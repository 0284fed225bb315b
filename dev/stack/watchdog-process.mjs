// Outlives the process that started it, by seconds: when its standard input ends, however the other
// end died, it ends the servers and removes the folders that it was told of. One JSON line each:
// {"guard":pid,"signal":"SIGINT"} {"release":pid} {"remove":folder} {"keep":folder}
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const GRACE_MS = 10_000;
const servers = new Map();
const folders = new Set();

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) process.on(name, () => {});

function send(pid, name) {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

// An ended process whose new parent is slow to collect it still takes signals.
function isZombie(pid) {
  try {
    return / [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/, ''));
  } catch {
    return false;
  }
}

async function end(pid, name) {
  send(pid, name);
  for (const deadline = Date.now() + GRACE_MS; Date.now() < deadline; await delay(20)) {
    if (!send(pid, 0) || isZombie(pid)) return;
  }
  send(pid, 'SIGKILL');
}

// As mounts.ts does it.
async function unmountIn(folder) {
  try {
    const mounts = readFileSync('/proc/mounts', 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ')[1]);
    for (const each of mounts.filter((path) => path.startsWith(`${folder}/`)).toReversed())
      await run('umount', ['-l', each]);
  } catch {
    // Then the folder stays until the next start.
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.guard) servers.set(message.guard, message.signal);
  if (message.release) servers.delete(message.release);
  if (message.remove) folders.add(message.remove);
  if (message.keep) folders.delete(message.keep);
}

await Promise.all([...servers].map(([pid, name]) => end(pid, name)));
for (const folder of folders) {
  await unmountIn(folder);
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }).catch(
    () => {},
  );
}
