// What the tests with the public client share: a daemon for each file, and patience.
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import openwhisk from 'openwhisk'
import { Daemon, GUEST } from './daemon.js'

/** A daemon with these settings for the tests of the file that calls this, and a client. Both are set once the tests run. */
export function setUp (settings) {
  const it = {
    /** A client with another key. */
    client: key => openwhisk({ apihost: it.daemon.apihost, api_key: key }),
    /** The stored record of an activation: it may come a little after the answer. */
    stored: id => eventually(`activation ${id}`, () => it.ow.activations.get(id).catch(missing))
  }
  before(async () => {
    it.daemon = await Daemon.start(settings)
    it.ow = it.client(GUEST)
  })
  after(async () => {
    assert.equal(await it.daemon.stop(), 0, 'the daemon ends with 0')
  })
  return it
}

/** Asks again until there is an answer, at most 30 s. */
export async function eventually (what, ask) {
  for (let left = 300; left > 0; left--) {
    const answer = await ask()
    if (answer) return answer
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error(`${what} did not come`)
}

/** Makes nothing of an answer 404, for `eventually`. */
export function missing (error) {
  if (error.statusCode !== 404) throw error
}

/** Expects a call to be refused, with OpenWhisk's form of an error: `code` of HTTP, and its text. */
export async function refused (call, code, text) {
  await assert.rejects(call, error => {
    assert.equal(error.name, 'OpenWhiskError', error.stack)
    assert.equal(error.statusCode, code, error.message)
    assert.deepEqual(Object.keys(error.error).sort(), ['code', 'error'], error.message)
    assert.equal(typeof error.error.code, 'string')
    if (text instanceof RegExp) assert.match(error.error.error, text)
    else if (text !== undefined) assert.equal(error.error.error, text)
    return true
  })
}

export const MISSING = 'The requested resource does not exist.'
export const ECHO = 'function main (params) { return params }'
