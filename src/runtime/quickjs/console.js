// `console`: texts formed the way node's util.inspect forms them, where that matters to a reader.
(function (host) {
  'use strict';
  const WIDTH = 72;
  const ITEMS = 100;
  const DEPTH = 2;
  const isIdentifier = (key) => /^[A-Za-z_$][\w$]*$/.test(key);

  function quote(text) {
    const mark = !text.includes("'") ? "'" : !text.includes('"') ? '"' : !text.includes('`') ? '`' : "'";
    const escaped = text
      .replace(/[\\\n\r\t\b\f\v]/g, (c) => JSON.stringify(c).slice(1, -1).replace('u000b', 'x0B'))
      .replace(/[\x00-\x1f\x7f]/g, (c) => '\\x' + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0'));
    return mark + (mark === "'" ? escaped.replaceAll("'", "\\'") : escaped) + mark;
  }

  function className(value) {
    const proto = Object.getPrototypeOf(value);
    if (proto === null) return null;
    const owner = proto.constructor;
    return typeof owner === 'function' && owner.name ? owner.name : 'Object';
  }

  function describeError(error) {
    let head;
    try {
      head = String(error);
    } catch {
      head = 'Error';
    }
    const stack = userStack(error);
    return stack ? `${head}\n${stack}` : head;
  }

  // Without the frames of the proxy's own library, which tell the reader nothing.
  function userStack(error) {
    const lines = typeof error.stack === 'string' ? error.stack.trimEnd().split('\n') : [];
    return lines.filter((line) => !line.includes('(owl:')).join('\n');
  }

  function describeFunction(value) {
    const source = Function.prototype.toString.call(value);
    if (source.startsWith('class')) return `[class ${value.name || '(anonymous)'}]`;
    const kind = className(value) || 'Function';
    return value.name ? `[${kind}: ${value.name}]` : `[${kind} (anonymous)]`;
  }

  function property(value, key, state, depth) {
    const descriptor = Object.getOwnPropertyDescriptor(value, key);
    if (descriptor && (descriptor.get || descriptor.set)) {
      return descriptor.get ? (descriptor.set ? '[Getter/Setter]' : '[Getter]') : '[Setter]';
    }
    return inspectValue(descriptor ? descriptor.value : value[key], state, depth + 1);
  }

  function properties(value, keys, state, depth) {
    return keys.map((key) => {
      const name = typeof key === 'symbol' ? `[${String(key)}]` : isIdentifier(key) ? key : quote(key);
      return `${name}: ${property(value, key, state, depth)}`;
    });
  }

  function enumerableKeys(value) {
    const symbols = Object.getOwnPropertySymbols(value);
    return Object.keys(value).concat(
      symbols.filter((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol)),
    );
  }

  function more(count) {
    return `... ${count} more item${count === 1 ? '' : 's'}`;
  }

  function arrayItems(value, state, depth) {
    const items = [];
    const shown = Math.min(value.length, ITEMS);
    let index = 0;
    while (index < shown) {
      let holes = 0;
      while (index + holes < shown && !(index + holes in value)) holes++;
      if (holes > 0) {
        items.push(`<${holes} empty item${holes === 1 ? '' : 's'}>`);
        index += holes;
      } else {
        items.push(property(value, String(index), state, depth));
        index++;
      }
    }
    if (value.length > shown) items.push(more(value.length - shown));
    return items;
  }

  function collectionItems(value, state, depth) {
    const items = [];
    for (const entry of value) {
      if (items.length === ITEMS) {
        items.push(more(value.size - ITEMS));
        break;
      }
      items.push(
        value instanceof Map
          ? `${inspectValue(entry[0], state, depth + 1)} => ${inspectValue(entry[1], state, depth + 1)}`
          : inspectValue(entry, state, depth + 1),
      );
    }
    return items;
  }

  function layout(prefix, items, open, close, depth) {
    if (items.length === 0) return `${prefix}${open}${close}`;
    const length = items.reduce((sum, item) => sum + item.length + 2, prefix.length);
    if (length <= WIDTH && !items.some((item) => item.includes('\n'))) {
      return `${prefix}${open} ${items.join(', ')} ${close}`;
    }
    const indent = '  '.repeat(depth + 1);
    return `${prefix}${open}\n${indent}${items.join(`,\n${indent}`)}\n${'  '.repeat(depth)}${close}`;
  }

  function inspectObject(value, state, depth) {
    const name = className(value);
    const isArray = Array.isArray(value);
    const isView = ArrayBuffer.isView(value) && !(value instanceof DataView);
    const isCollection = value instanceof Map || value instanceof Set;
    if (depth > state.depth) {
      return isArray ? '[Array]' : `[${name === null ? 'Object: null prototype' : name}]`;
    }
    state.seen.push(value);
    let keys = enumerableKeys(value);
    let items;
    if (isArray || isView) {
      keys = keys.filter((key) => typeof key === 'symbol' || !/^\d+$/.test(key));
      items = arrayItems(value, state, depth);
    } else {
      items = isCollection ? collectionItems(value, state, depth) : [];
    }
    items = items.concat(properties(value, keys, state, depth));
    state.seen.pop();
    let prefix = '';
    if (name === null) prefix = '[Object: null prototype] ';
    else if (isCollection) prefix = `${name}(${value.size}) `;
    else if (isView || (isArray && name !== 'Array')) prefix = `${name}(${value.length}) `;
    else if (!isArray && name !== 'Object') prefix = `${name} `;
    const text =
      isArray || isView
        ? layout(prefix, items, '[', ']', depth)
        : layout(prefix, items, '{', '}', depth);
    return state.circular === value ? `<ref *1> ${text}` : text;
  }

  function inspectValue(value, state, depth) {
    switch (typeof value) {
      case 'string':
        return quote(value);
      case 'number':
        return Object.is(value, -0) ? '-0' : String(value);
      case 'bigint':
        return `${value}n`;
      case 'function':
        return describeFunction(value);
      case 'object':
        break;
      default:
        return String(value);
    }
    if (value === null) return 'null';
    if (state.seen.includes(value)) {
      state.circular = value;
      return '[Circular *1]';
    }
    if (value instanceof Error) {
      const text = describeError(value);
      return depth > 0 ? `[${text}]` : text;
    }
    if (value instanceof RegExp) return String(value);
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
    if (value instanceof String || value instanceof Number || value instanceof Boolean) {
      return `[${className(value)}: ${inspectValue(value.valueOf(), state, depth)}]`;
    }
    return inspectObject(value, state, depth);
  }

  function inspect(value, options) {
    const depth = options && options.depth === null ? Infinity : (options && options.depth) ?? DEPTH;
    return inspectValue(value, { seen: [], circular: undefined, depth }, 0);
  }

  const asText = (value) => (typeof value === 'string' ? value : inspect(value));

  function substitute(mark, value) {
    switch (mark) {
      case 's':
        return typeof value === 'object' && value !== null ? inspect(value, { depth: 0 }) : typeof value === 'bigint' ? `${value}n` : String(value);
      case 'd':
        return typeof value === 'bigint' ? `${value}n` : String(typeof value === 'object' ? NaN : Number(value));
      case 'i':
        return typeof value === 'bigint' ? `${value}n` : String(typeof value === 'object' ? NaN : parseInt(value, 10));
      case 'f':
        return String(typeof value === 'symbol' ? NaN : parseFloat(value));
      case 'j':
        try {
          return String(JSON.stringify(value));
        } catch {
          return '[Circular]';
        }
      case 'c':
        return '';
      default:
        return inspect(value, { depth: 4 });
    }
  }

  function format(...values) {
    let text = '';
    let next = 0;
    if (typeof values[0] === 'string') {
      next = 1;
      text =
        values.length === 1
          ? values[0]
          : values[0].replace(/%[sdifjoOc%]/g, (mark) => {
              if (mark === '%%') return '%';
              return next < values.length ? substitute(mark[1], values[next++]) : mark;
            });
    }
    const rest = values.slice(next).map(asText);
    return (next > 0 ? [text, ...rest] : rest).join(' ');
  }

  let indent = '';
  const counts = new Map();
  const starts = new Map();

  function print(toStderr, text) {
    const indented = indent ? indent + text.replaceAll('\n', `\n${indent}`) : text;
    host.print(toStderr, indented.toWellFormed());
  }
  const out = (...values) => print(false, format(...values));
  const err = (...values) => print(true, format(...values));

  const elapsed = (label) => `${label}: ${(host.now() - starts.get(label)).toFixed(3)}ms`;
  globalThis.console = {
    log: out,
    info: out,
    debug: out,
    error: err,
    warn: err,
    dir: (value, options) => print(false, inspect(value, options)),
    table: out,
    trace: (...values) => err(`Trace: ${format(...values)}\n${new Error().stack.trimEnd()}`),
    assert: (condition, ...values) => {
      if (!condition) err(values.length ? `Assertion failed: ${format(...values)}` : 'Assertion failed');
    },
    group: (...values) => {
      if (values.length) out(...values);
      indent += '  ';
    },
    groupEnd: () => {
      indent = indent.slice(2);
    },
    count: (label = 'default') => {
      counts.set(label, (counts.get(label) || 0) + 1);
      out(`${label}: ${counts.get(label)}`);
    },
    countReset: (label = 'default') => counts.delete(label),
    time: (label = 'default') => starts.set(label, host.now()),
    timeLog: (label = 'default') => starts.has(label) && out(elapsed(label)),
    timeEnd: (label = 'default') => {
      if (starts.has(label)) out(elapsed(label));
      starts.delete(label);
    },
  };
  return { inspect, format, userStack };
});
