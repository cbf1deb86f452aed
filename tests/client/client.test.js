// The public JavaScript client against the real daemon.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import openwhisk from 'openwhisk'
import { Daemon, GUEST } from './daemon.js'

let daemon
let ow

before(async () => {
  daemon = await Daemon.start()
  ow = openwhisk({ apihost: daemon.apihost, api_key: GUEST })
})

after(async () => {
  assert.equal(await daemon.stop(), 0, 'the daemon ends with 0')
})

/** The stored record: it may come a little after the answer. */
async function stored (activationId) {
  for (let left = 100; ; left--) {
    try {
      return await ow.activations.get(activationId)
    } catch (error) {
      if (error.statusCode !== 404 || left === 0) throw error
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }
}

const status = code => error => {
  assert.equal(error.statusCode, code, error.message)
  return true
}

const GREET = `function main (params) {
  console.log('greeting ' + params.name)
  return { greeting: 'hello ' + params.name }
}`

for (const kind of ['quickjs:1', 'nodejs:20', 'nodejs:node-proxy']) {
  describe(`an action of kind ${kind}`, { timeout: 120_000 }, () => {
    const name = `greet-${kind.replace(':', '-')}`

    test('is created, read, listed and updated', async () => {
      const created = await ow.actions.create({ name, action: GREET, kind, params: { name: 'nobody' } })
      assert.equal(created.version, '0.0.1')
      assert.equal(created.namespace, 'guest')
      const read = await ow.actions.get({ name })
      assert.equal(read.exec.kind, kind)
      assert.equal(read.exec.code, GREET)
      assert.deepEqual(read.parameters, [{ key: 'name', value: 'nobody' }])
      const listed = await ow.actions.list()
      assert.ok(listed.some(action => action.name === name))
      const updated = await ow.actions.update({ name, action: GREET, kind, limits: { timeout: 30_000 } })
      assert.equal(updated.version, '0.0.2')
      assert.equal(updated.limits.timeout, 30_000)
    })

    test('is invoked with and without waiting', async () => {
      const result = await ow.actions.invoke({ name, blocking: true, result: true, params: { name: 'bob' } })
      assert.deepEqual(result, { greeting: 'hello bob' })
      const record = await ow.actions.invoke({ name, blocking: true, params: { name: 'eve' } })
      assert.equal(record.response.status, 'success')
      assert.deepEqual(record.response.result, { greeting: 'hello eve' })
      const { activationId } = await ow.actions.invoke({ name, params: { name: 'mia' } })
      assert.match(activationId, /^[0-9a-f]{32}$/)
      assert.deepEqual((await stored(activationId)).response.result, { greeting: 'hello mia' })
    })

    test('leaves activations with result and logs', async () => {
      const { activationId } = await ow.actions.invoke({ name, params: { name: 'log' } })
      await stored(activationId)
      const { logs } = await ow.activations.logs({ name: activationId })
      assert.equal(logs.length, 1)
      assert.match(logs[0], /^\d{4}-\d\d-\d\dT[\d:.]+Z +stdout: greeting log$/)
      const result = await ow.activations.result({ name: activationId })
      assert.equal(result.success, true)
      assert.deepEqual(result.result, { greeting: 'hello log' })
      const [newest] = await ow.activations.list({ name, limit: 1 })
      assert.equal(newest.activationId, activationId)
      assert.equal(newest.statusCode, 0)
    })

    test('that throws answers 502 with its record', async () => {
      await ow.actions.create({ name: `${name}-throws`, action: 'function main () { throw new Error("boom") }', kind })
      await assert.rejects(ow.actions.invoke({ name: `${name}-throws`, blocking: true }), error => {
        assert.equal(error.statusCode, 502)
        assert.equal(error.error.response.status, 'action developer error')
        assert.match(error.error.response.result.error, /boom/)
        return true
      })
    })

    test('that returns an error answers 502 and stays warm', async () => {
      const code = 'let calls = 0; function main () { calls += 1; return { error: { calls } } }'
      await ow.actions.create({ name: `${name}-error`, action: code, kind })
      for (const calls of [1, 2]) {
        let record
        await assert.rejects(ow.actions.invoke({ name: `${name}-error`, blocking: true }), error => {
          record = error.error
          return error.statusCode === 502
        })
        assert.equal(record.response.status, 'application error')
        assert.deepEqual(record.response.result, { error: { calls } })
        // Its sandbox is free again when its logs are in.
        await stored(record.activationId)
      }
    })

    test('is deleted', async () => {
      const deleted = await ow.actions.delete({ name })
      assert.equal(deleted.name, name)
      await assert.rejects(ow.actions.get({ name }), status(404))
      await assert.rejects(ow.actions.invoke({ name, blocking: true }), status(404))
    })
  })
}

describe('the client is refused', () => {
  test('with a wrong key', async () => {
    const stranger = openwhisk({ apihost: daemon.apihost, api_key: `${GUEST.slice(0, -1)}x` })
    await assert.rejects(stranger.actions.list(), status(401))
  })

  test('when it creates what exists', async () => {
    await ow.actions.create({ name: 'twice', action: GREET, kind: 'quickjs:1' })
    await assert.rejects(ow.actions.create({ name: 'twice', action: GREET, kind: 'quickjs:1' }), error => {
      assert.equal(error.statusCode, 409)
      assert.match(error.message, /resource already exists/)
      return true
    })
  })

  test('with an unknown kind', async () => {
    await assert.rejects(ow.actions.create({ name: 'cobol', action: 'x', kind: 'cobol:1' }), status(400))
  })

  test('for an activation that does not exist', async () => {
    await assert.rejects(ow.activations.get('0'.repeat(32)), status(404))
  })
})

test('an action calls another through the client', { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'owl-zip-'))
  try {
    writeFileSync(join(folder, 'package.json'), '{"name":"caller","version":"1.0.0","main":"index.js"}')
    writeFileSync(join(folder, 'index.js'), `const openwhisk = require('openwhisk')
exports.main = async ({ callee }) => {
  const answer = await openwhisk().actions.invoke({ name: callee, blocking: true, result: true, params: { name: 'me' } })
  return { answer }
}`)
    const modules = fileURLToPath(new URL('node_modules', import.meta.url))
    cpSync(modules, join(folder, 'node_modules'), { recursive: true })
    const zip = join(folder, 'action.zip')
    execFileSync('python3', ['-m', 'zipfile', '-c', zip, 'package.json', 'index.js', 'node_modules/'], { cwd: folder })
    // Containers are not on the loopback interface, where alone the public key of guest is good.
    const edge = openwhisk({ apihost: daemon.apihost, api_key: daemon.createKey('edge') })
    await edge.actions.create({ name: 'callee', action: GREET, kind: 'quickjs:1' })
    await edge.actions.create({
      name: 'caller',
      action: {
        exec: { kind: 'nodejs:20', code: readFileSync(zip).toString('base64') },
        annotations: [{ key: 'provide-api-key', value: true }]
      }
    })
    const result = await edge.actions.invoke({ name: 'caller', blocking: true, result: true, params: { callee: 'callee' } })
    assert.deepEqual(result, { answer: { greeting: 'hello me' } })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
