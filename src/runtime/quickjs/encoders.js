// `Buffer`, `TextEncoder`, `TextDecoder`, `atob`, `btoa`: the parts that actions use.
(function () {
  'use strict';
  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const VALUES = new Map([...ALPHABET].map((letter, index) => [letter, index]));
  VALUES.set('-', 62).set('_', 63);

  function toBase64(bytes, url) {
    let text = '';
    for (let at = 0; at < bytes.length; at += 3) {
      const left = bytes.length - at;
      const group = (bytes[at] << 16) | ((bytes[at + 1] || 0) << 8) | (bytes[at + 2] || 0);
      text += ALPHABET[group >> 18] + ALPHABET[(group >> 12) & 63];
      if (left > 1) text += ALPHABET[(group >> 6) & 63];
      else if (!url) text += '=';
      if (left > 2) text += ALPHABET[group & 63];
      else if (!url) text += '=';
    }
    return url ? text.replaceAll('+', '-').replaceAll('/', '_') : text;
  }

  // As node does it: both alphabets, anything else is skipped, padding ends it.
  function fromBase64(text) {
    const bytes = [];
    let bits = 0;
    let held = 0;
    for (const letter of text) {
      if (letter === '=') break;
      const value = VALUES.get(letter);
      if (value === undefined) continue;
      held = ((held << 6) | value) & 0xffff;
      bits += 6;
      if (bits >= 8) {
        bits -= 8;
        bytes.push((held >> bits) & 0xff);
      }
    }
    return bytes;
  }

  function toUtf8(text) {
    const bytes = [];
    for (const letter of text.toWellFormed()) {
      const code = letter.codePointAt(0);
      if (code < 0x80) bytes.push(code);
      else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
      else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
      else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    }
    return bytes;
  }

  function fromUtf8(bytes, fatal) {
    let text = '';
    let at = 0;
    while (at < bytes.length) {
      const first = bytes[at++];
      if (first < 0x80) {
        text += String.fromCharCode(first);
        continue;
      }
      const extra = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
      let code = extra === 1 ? first & 31 : extra === 2 ? first & 15 : first & 7;
      let taken = 0;
      while (taken < extra && at < bytes.length && (bytes[at] & 0xc0) === 0x80) {
        const low = taken === 0 ? (first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80) : 0x80;
        const high = taken === 0 ? (first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf) : 0xbf;
        if (bytes[at] < low || bytes[at] > high) break;
        code = (code << 6) | (bytes[at++] & 63);
        taken++;
      }
      if (extra > 0 && taken === extra) {
        text += String.fromCodePoint(code);
      } else {
        if (fatal) throw new TypeError('The encoded data was not valid for encoding utf-8');
        text += '\ufffd';
      }
    }
    return text;
  }

  const latin1 = (bytes) => {
    let text = '';
    for (const byte of bytes) text += String.fromCharCode(byte);
    return text;
  };

  function encode(text, encoding) {
    switch (String(encoding || 'utf8').toLowerCase()) {
      case 'utf8':
      case 'utf-8':
        return toUtf8(text);
      case 'base64':
      case 'base64url':
        return fromBase64(text);
      case 'hex':
        return (text.match(/^(?:[0-9a-fA-F]{2})*/)[0].match(/../g) || []).map((pair) => parseInt(pair, 16));
      case 'latin1':
      case 'binary':
      case 'ascii':
        return Array.from(text, (letter) => letter.charCodeAt(0) & 0xff);
      default:
        throw new TypeError(`Unknown encoding: ${encoding}`);
    }
  }

  class Buffer extends Uint8Array {
    static from(value, encoding, length) {
      if (typeof value === 'string') return Buffer.wrap(encode(value, encoding));
      if (value instanceof ArrayBuffer) return new Buffer(value, encoding, length);
      return Buffer.wrap(value && value.type === 'Buffer' ? value.data : value);
    }
    static wrap(bytes) {
      const buffer = new Buffer(bytes.length);
      buffer.set(bytes);
      return buffer;
    }
    static alloc(size, fill) {
      const buffer = new Buffer(size);
      return fill === undefined ? buffer : buffer.fill(typeof fill === 'string' ? encode(fill)[0] : fill);
    }
    static isBuffer(value) {
      return value instanceof Buffer;
    }
    static byteLength(value, encoding) {
      return typeof value === 'string' ? encode(value, encoding).length : value.byteLength;
    }
    static concat(list) {
      const whole = new Buffer(list.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of list) {
        whole.set(part, at);
        at += part.length;
      }
      return whole;
    }
    toString(encoding, start, end) {
      const bytes = start === undefined ? this : this.subarray(start, end);
      switch (String(encoding || 'utf8').toLowerCase()) {
        case 'utf8':
        case 'utf-8':
          return fromUtf8(bytes, false);
        case 'base64':
          return toBase64(bytes, false);
        case 'base64url':
          return toBase64(bytes, true);
        case 'hex':
          return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
        case 'latin1':
        case 'binary':
        case 'ascii':
          return latin1(bytes);
        default:
          throw new TypeError(`Unknown encoding: ${encoding}`);
      }
    }
    equals(other) {
      return this.length === other.length && this.every((byte, index) => byte === other[index]);
    }
    toJSON() {
      return { type: 'Buffer', data: Array.from(this) };
    }
  }

  class TextEncoder {
    get encoding() {
      return 'utf-8';
    }
    encode(text = '') {
      return Uint8Array.from(toUtf8(String(text)));
    }
  }

  class TextDecoder {
    constructor(label = 'utf-8', options = {}) {
      if (!/^utf-?8$/i.test(label)) throw new RangeError(`The "${label}" encoding is not supported`);
      this.encoding = 'utf-8';
      this.fatal = Boolean(options.fatal);
      this.ignoreBOM = Boolean(options.ignoreBOM);
    }
    decode(input = new Uint8Array()) {
      const bytes = ArrayBuffer.isView(input)
        ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
        : new Uint8Array(input);
      const text = fromUtf8(bytes, this.fatal);
      return !this.ignoreBOM && text.startsWith('\ufeff') ? text.slice(1) : text;
    }
  }

  function invalid() {
    const error = new Error('The string contains invalid characters.');
    error.name = 'InvalidCharacterError';
    return error;
  }

  return {
    Buffer,
    TextEncoder,
    TextDecoder,
    atob: (text) => {
      const compact = String(text).replace(/[\t\n\f\r ]/g, '');
      if (!/^[A-Za-z0-9+/]*={0,2}$/.test(compact) || compact.replaceAll('=', '').length % 4 === 1) throw invalid();
      return latin1(fromBase64(compact));
    },
    btoa: (text) => {
      const letters = String(text);
      if (/[^\x00-\xff]/.test(letters)) throw invalid();
      return toBase64(encode(letters, 'latin1'), false);
    },
  };
});
