// Kills a Node program that is started with NODE_OPTIONS=--import=THIS_FILE at the write of the number KILL_AT below the folder
// KILL_BELOW: half of a content is in its file by then, a program that it starts had a moment (and is killed with it), and of a
// rename or a removal nothing has happened yet. KILL_COUNT names a file that says how many writes there were.
import { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const { KILL_AT, KILL_BELOW, KILL_COUNT } = process.env;
let count = 0;
const isNow = () => {
  count += 1;
  return count === Number(KILL_AT);
};
const die = () => process.kill(process.pid, 'SIGKILL');
const isBelow = (path) => String(path).startsWith(`${KILL_BELOW}/`);
const half = (content) => {
  const bytes = Buffer.from(content);
  return bytes.subarray(0, bytes.length / 2);
};

/** Replaces a function by one that is given the real one first. */
function wrap(owner, name, around) {
  const real = owner[name];
  owner[name] = function (...args) {
    return around.call(this, (...given) => real.apply(this, given), ...args);
  };
}

for (const name of ['copyFile', 'link', 'mkdir', 'rename', 'rm', 'rmdir', 'symlink', 'truncate', 'unlink']) {
  for (const [owner, suffix] of [
    [fs.promises, ''],
    [fs, 'Sync'],
  ])
    wrap(owner, name + suffix, (real, ...args) => {
      if (args.slice(0, 2).some(isBelow) && isNow()) die();
      return real(...args);
    });
}
const isWrite = (flags) => typeof flags === 'string' && /[wa+]/.test(flags);
/** File descriptors that are written below the folder. */
const written = new Set();
wrap(fs.promises, 'open', async (real, path, flags, ...more) => {
  const isOurs = isBelow(path) && isWrite(flags);
  const file = await real(path, flags, ...more);
  if (isOurs) written.add(file.fd);
  if (isOurs && isNow()) die();
  return file;
});
wrap(fs.promises, 'writeFile', (real, file, content, ...more) => {
  const isOurs = typeof file === 'object' ? written.has(file.fd) : isBelow(file);
  if (isOurs && isNow()) {
    const text = typeof content === 'string' || content instanceof Uint8Array ? content : [...content].join('');
    const fd = typeof file === 'object' ? file.fd : fs.openSync(file, 'w');
    fs.writeSync(fd, half(text));
    die();
  }
  return real(file, content, ...more);
});
wrap(fs.promises, 'appendFile', (real, path, content, ...more) => {
  if (isBelow(path) && isNow()) {
    fs.writeSync(fs.openSync(path, 'a'), half(content));
    die();
  }
  return real(path, content, ...more);
});
// What streams use.
wrap(fs, 'open', (real, path, flags, ...more) => {
  const done = more.pop();
  real(path, flags, ...more, (error, fd) => {
    if (!error && isBelow(path) && isWrite(flags)) written.add(fd);
    done(error, fd);
  });
});
wrap(fs, 'write', (real, fd, content, ...more) => {
  if (written.has(fd) && isNow()) {
    fs.writeSync(fd, half(content));
    die();
  }
  return real(fd, content, ...more);
});
wrap(ChildProcess.prototype, 'spawn', function (real, ...args) {
  const started = real(...args);
  if (isNow()) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);
    process.kill(-this.pid, 'SIGKILL');
    die();
  }
  return started;
});
syncBuiltinESMExports();

process.on('exit', () => {
  if (KILL_COUNT) fs.writeFileSync(KILL_COUNT, String(count));
});
