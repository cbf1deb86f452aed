// What actions expect around them: timers, `process`, and the encoders, made on first use.
(function (host, text) {
  'use strict';

  // Timers are kept in the order in which they fall due; the host sleeps until the first.
  let timers = [];
  let lastId = 0;

  function schedule(callback, delay, args, repeat) {
    if (typeof callback !== 'function') {
      throw new TypeError('The "callback" argument must be of type function.');
    }
    const wait = Math.max(1, Math.min(Number(delay) || 0, 2 ** 31 - 1));
    const timer = { id: ++lastId, due: host.now() + wait, callback, args, every: repeat ? wait : 0 };
    insert(timer);
    // node gives an object; `ref` and its like are called on it by libraries.
    const handle = {
      ref: () => handle,
      unref: () => handle,
      hasRef: () => true,
      [Symbol.toPrimitive]: () => timer.id,
    };
    Object.defineProperty(handle, 'timer', { value: timer });
    return handle;
  }

  function insert(timer) {
    let at = timers.length;
    while (at > 0 && timers[at - 1].due > timer.due) at--;
    timers.splice(at, 0, timer);
  }

  function cancel(handle) {
    if (handle === undefined || handle === null) return;
    const id = typeof handle === 'object' && handle.timer ? handle.timer.id : Number(handle);
    const at = timers.findIndex((timer) => timer.id === id);
    if (at >= 0) timers.splice(at, 1);
    else if (typeof handle === 'object' && handle.timer) handle.timer.every = 0;
  }

  // Milliseconds until the first timer falls due; negative if there is none.
  function untilNext() {
    return timers.length === 0 ? -1 : Math.max(0, timers[0].due - host.now());
  }

  // Runs the first timer that has fallen due; the host runs the jobs that it leaves behind.
  function runDue() {
    if (timers.length === 0 || timers[0].due > host.now()) return false;
    const timer = timers.shift();
    try {
      timer.callback(...timer.args);
    } finally {
      if (timer.every > 0) {
        timer.due = host.now() + timer.every;
        insert(timer);
      }
    }
    return true;
  }

  globalThis.setTimeout = (callback, delay, ...args) => schedule(callback, delay, args, false);
  globalThis.setInterval = (callback, delay, ...args) => schedule(callback, delay, args, true);
  globalThis.setImmediate = (callback, ...args) => schedule(callback, 0, args, false);
  globalThis.clearTimeout = globalThis.clearInterval = globalThis.clearImmediate = cancel;
  globalThis.queueMicrotask ??= (callback) => {
    Promise.resolve().then(callback);
  };

  const started = host.now();
  globalThis.global = globalThis;
  globalThis.process = {
    env: {},
    argv: ['quickjs'],
    pid: 1,
    platform: 'linux',
    arch: host.arch,
    version: host.version,
    versions: { quickjs: host.version },
    cwd: () => '/',
    uptime: () => (host.now() - started) / 1000,
    exit: (code) => host.exit(Number(code) || 0),
    nextTick: (callback, ...args) => queueMicrotask(() => callback(...args)),
    hrtime: Object.assign(
      (since) => {
        const now = host.now();
        const time = [Math.floor(now / 1000), Math.floor((now % 1000) * 1e6)];
        if (!since) return time;
        const nanos = time[1] - since[1];
        return [time[0] - since[0] - (nanos < 0 ? 1 : 0), nanos < 0 ? nanos + 1e9 : nanos];
      },
      { bigint: () => BigInt(Math.round(host.now() * 1e6)) },
    ),
    stdout: { write: (chunk) => writeLines(false, chunk) },
    stderr: { write: (chunk) => writeLines(true, chunk) },
    on: () => process,
    once: () => process,
    off: () => process,
    emitWarning: (warning) => console.warn(String(warning)),
  };

  // The log is made of lines, so a trailing line end is not one of its own.
  function writeLines(toStderr, chunk) {
    host.print(toStderr, String(chunk).replace(/\n$/, '').toWellFormed());
    return true;
  }

  // Compiled on first use: a cold start does not pay for what an action does not touch.
  let encoders;
  for (const name of ['Buffer', 'TextEncoder', 'TextDecoder', 'atob', 'btoa']) {
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get() {
        encoders ??= host.encoders()();
        for (const key of Object.keys(encoders)) {
          const descriptor = Object.getOwnPropertyDescriptor(globalThis, key);
          if (descriptor && descriptor.get) {
            Object.defineProperty(globalThis, key, { value: encoders[key], writable: true, configurable: true });
          }
        }
        return encoders[name];
      },
      set(value) {
        Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
      },
    });
  }

  const modules = {
    buffer: () => ({ Buffer: globalThis.Buffer, atob: globalThis.atob, btoa: globalThis.btoa }),
    console: () => globalThis.console,
    // Apache's node runtimes bring this client. Compositions load it in any case, and use it only
    // to invoke themselves (async, parallel, map); in here it could reach nobody.
    openwhisk: () => () => {
      throw new Error('The openwhisk client does not work in this kind, which has no network: use a nodejs kind.');
    },
    process: () => globalThis.process,
    timers: () => ({ setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate }),
    util: () => ({
      inspect: text.inspect,
      format: text.format,
      TextEncoder: globalThis.TextEncoder,
      TextDecoder: globalThis.TextDecoder,
      promisify: (call) => (...args) =>
        new Promise((resolve, reject) => {
          call(...args, (error, value) => (error ? reject(error) : resolve(value)));
        }),
    }),
  };

  function require(name) {
    const key = String(name).replace(/^node:/, '');
    if (Object.hasOwn(modules, key)) return modules[key]();
    const error = new Error(
      `Cannot find module '${name}': this kind has no modules but ${Object.keys(modules).join(', ')}. ` +
        'Bundle the code into one file, or use a nodejs kind.',
    );
    error.code = 'MODULE_NOT_FOUND';
    throw error;
  }

  return { untilNext, runDue, require };
});
