// Holds the action's entry point, calls it, and turns what comes of it into a status and JSON, as
// Apache's node runtime does.
(function (host, text, globals) {
  'use strict';
  // Kept aside, so that an action that changes the globals does not change the proxy.
  const { parse, stringify } = JSON;
  const resolved = Promise.resolve.bind(Promise);
  const then = Promise.prototype.then;
  const unhandled = new Map();
  let main;
  let outcome;

  function lookUp(root, path) {
    return path.split('.').reduce((value, key) => (value === undefined || value === null ? undefined : value[key]), root);
  }

  // Runs the action's file and finds its entry point: a variable of that name, else an export.
  function load(wrapped, path) {
    const module = { exports: {} };
    const found = wrapped.call(module.exports, module.exports, globals.require, module);
    main = found === undefined ? lookUp(module.exports, path) : found;
    if (main === undefined && path === 'main' && typeof module.exports === 'function') main = module.exports;
    if (typeof main !== 'function') {
      main = undefined;
      return `Action entrypoint '${path}' is not a function.`;
    }
    return '';
  }

  function setEnvironment(names, values) {
    names.forEach((name, index) => {
      process.env[name] = values[index];
    });
  }

  // `throw` and rejections may carry anything; errors are objects whose parts are not enumerable.
  function serialize(error) {
    if (!error) return {};
    if (typeof error === 'function') return `[Function: ${error.name || 'anonymous'}]`;
    if (typeof error === 'symbol' || typeof error === 'bigint') return String(error);
    if (!(error instanceof Error)) return error;
    const { name, message } = error;
    return { ...error, name, message, stack: `${error}\n${text.userStack(error)}` };
  }

  // The engine's own error; when even that found no memory, it throws null.
  function isOutOfMemory(error) {
    return error === null ? host.memoryIsTight() : error instanceof InternalError && error.message === 'out of memory';
  }

  const exhausted = () => [502, '{"error":"The action exhausted its memory and was aborted."}'];

  function failed(error) {
    if (isOutOfMemory(error)) return exhausted();
    console.error(error);
    let reason;
    try {
      reason = String(error);
    } catch {
      reason = 'unknown';
    }
    return [502, stringify({ error: `An error has occurred: ${reason}` })];
  }

  function finished(value) {
    if (value === undefined) return [200, '{}'];
    if (typeof value !== 'object') {
      console.error(`Result must be of type object but has type "${typeof value}":`, value);
      return [502, '{"error":"The action did not return a dictionary or array."}'];
    }
    const body = stringify(value);
    return body === undefined
      ? [502, '{"error":"The action did not return a dictionary or array."}']
      : [200, body];
  }

  function settle(make) {
    try {
      outcome = make();
    } catch (error) {
      outcome = failed(error);
    }
  }

  // Calls the entry point. The outcome may come later, through the job queue or a timer.
  function start(json) {
    outcome = undefined;
    let result;
    try {
      result = main(parse(json));
    } catch (error) {
      outcome = failed(error);
      return;
    }
    then.call(
      resolved(result),
      (value) => settle(() => finished(value)),
      // A rejection is the action's own way to say `error`: an application error, status 200.
      (error) =>
        settle(() => (isOutOfMemory(error) ? exhausted() : [200, stringify({ error: serialize(error) })])),
    );
  }

  // The outcome as `[status, body]`, once; undefined while there is none.
  function take() {
    if (outcome === undefined) return undefined;
    for (const reason of unhandled.values()) console.error('Unhandled promise rejection:', reason);
    unhandled.clear();
    const taken = outcome;
    outcome = undefined;
    return taken;
  }

  function rejection(promise, reason, handled) {
    if (handled) unhandled.delete(promise);
    // An action that rejects without end must not fill the memory with what it dropped.
    else if (unhandled.size < 20) unhandled.set(promise, reason);
  }

  return { load, start, take, rejection, setEnvironment };
});
