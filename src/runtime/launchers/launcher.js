// Runs a node action over the ActionLoop convention: one JSON line in on standard input, one JSON
// line out on descriptor 3. The first line out says whether the action could be loaded.
//
// A line that starts with `!` is a failure of the action's code rather than a result of it.
'use strict';

const fs = require('fs');
const Module = require('module');
const path = require('path');
const readline = require('readline');
const { pathToFileURL } = require('url');

const [directory, main, form] = process.argv.slice(2);
process.argv.length = 2;

function answer(text) {
  const bytes = Buffer.from(`${text}\n`);
  for (let sent = 0; sent < bytes.length; ) sent += fs.writeSync(3, bytes, sent);
}

// Standard output and error, as far as they are used: making them costs a cold start some time.
const used = new Set();
for (const name of ['stdout', 'stderr']) {
  const { get } = Object.getOwnPropertyDescriptor(process, name);
  Object.defineProperty(process, name, {
    configurable: true,
    enumerable: true,
    get() {
      const stream = get.call(process);
      used.add(stream);
      return stream;
    },
  });
}

// What the action prints faster than the pipe takes it waits in this process: it has to go out
// before the answer, after which the log ends.
async function printed() {
  for (const stream of used) {
    if (stream.writableLength > 0) await new Promise((done) => stream.write('', done));
  }
}

function lookUp(root, names) {
  return names.split('.').reduce((value, name) => (value === undefined || value === null ? undefined : value[name]), root);
}

// `require`, or `import` where node says that a file is an ES module.
async function load(file) {
  try {
    return require(file);
  } catch (error) {
    if (error.code !== 'ERR_REQUIRE_ESM' && error.code !== 'ERR_REQUIRE_ASYNC_MODULE') throw error;
    return import(pathToFileURL(require.resolve(file)));
  }
}

// A zipped action: `main` is `function`, of the package, or `file.function`.
async function loadPackage() {
  const dot = main.indexOf('.');
  const file = dot < 0 ? undefined : main.slice(0, dot);
  const has = (name) => fs.existsSync(path.join(directory, name));
  if (file === undefined && !has('package.json') && !has('index.js') && !has('index.mjs')) {
    throw 'Zipped actions must contain either package.json or index.js at the root.';
  }
  const bare = file === undefined && !has('package.json') && !has('index.js');
  const module = await load(path.join(directory, file ?? (bare ? 'index.mjs' : '')));
  const name = main.slice(dot + 1);
  return lookUp(module, name) ?? (module.default && lookUp(module.default, name));
}

// An action in one file: `main` is a variable of it or an export.
async function loadFile() {
  if (!/^[\p{L}_$][\p{L}\p{N}_$]*(\.[\p{L}_$][\p{L}\p{N}_$]*)*$/u.test(main)) {
    throw `'${main}' is not the name of a function.`;
  }
  const file = path.join(directory, 'action.js');
  const code = fs.readFileSync(file, 'utf8').replace(/^#!.*/, '');
  const action = new Module(file, null);
  action.filename = file;
  action.paths = Module._nodeModulePaths(directory).concat(Module.globalPaths);
  let found;
  const first = main.split('.')[0];
  const give = Symbol.for('owl.give');
  globalThis[give] = (value) => {
    found = value;
  };
  try {
    action._compile(`${code}\n;globalThis[Symbol.for('owl.give')](typeof ${first} === 'undefined' ? undefined : ${main});`, file);
  } catch (error) {
    // The text of a module: node compiles it as one if the name of the file says so.
    if (!(error instanceof SyntaxError) || !/^\s*(export|import)[\s{]/m.test(code)) throw error;
    const moduleFile = path.join(directory, 'action.mjs');
    fs.writeFileSync(moduleFile, code);
    return lookUp(await import(pathToFileURL(moduleFile)), main);
  } finally {
    delete globalThis[give];
  }
  return found ?? lookUp(action.exports, main);
}

// Without the frames of this file and of node's loader, which tell the reader nothing.
function cleaned(error) {
  if (error instanceof Error && typeof error.stack === 'string') {
    const lines = error.stack.split('\n');
    const own = (line) => !line.includes(__filename) && !/\(?node:internal\/(modules|process)/.test(line);
    error.stack = lines.filter(own).join('\n').trimEnd();
  }
  return error;
}

function serialize(error) {
  if (!error) return {};
  if (typeof error === 'function') return `[Function: ${error.name || 'anonymous'}]`;
  if (typeof error === 'symbol' || typeof error === 'bigint') return String(error);
  if (!(error instanceof Error)) return error;
  const { name, message, stack } = cleaned(error);
  return { ...error, name, message, stack };
}

const failure = (message) => `!${JSON.stringify({ error: message })}`;

function thrown(error) {
  console.error(cleaned(error));
  return failure(`An error has occurred: ${error}`);
}

async function run(handler, line) {
  const { value, ...variables } = JSON.parse(line);
  for (const [name, setting] of Object.entries(variables)) {
    process.env[`__OW_${name.toUpperCase()}`] = typeof setting === 'string' ? setting : JSON.stringify(setting);
  }
  let result;
  try {
    result = handler(value ?? {});
  } catch (error) {
    return thrown(error);
  }
  try {
    result = await result;
  } catch (error) {
    // A rejection is the action's own way to say `error`: a result, not a failure.
    result = { error: serialize(error) };
  }
  if (result === undefined) result = {};
  if (typeof result !== 'object') {
    console.error(`Result must be of type object but has type "${typeof result}":`, result);
    return failure('The action did not return a dictionary or array.');
  }
  try {
    return JSON.stringify(result) ?? failure('The action did not return a dictionary or array.');
  } catch (error) {
    return thrown(error);
  }
}

(async () => {
  let handler;
  try {
    handler = form === 'zip' ? await loadPackage() : await loadFile();
    if (typeof handler !== 'function') throw `Action entrypoint '${main}' is not a function.`;
  } catch (error) {
    answer(JSON.stringify({ error: String((error && cleaned(error).stack) || error) }));
    process.exit(1);
  }
  answer('{"ok":true}');
  for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const text = await run(handler, line);
    if (used.size > 0) await printed();
    answer(text);
  }
  process.exit(0);
})();
