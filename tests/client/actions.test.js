// Actions and activations with the public JavaScript client.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { GUEST } from './daemon.js'
import { MISSING, refused, setUp } from './setup.js'

const it = setUp()

const GREET = `function main (params) {
  console.log('greeting ' + params.name)
  return { greeting: 'hello ' + params.name }
}`

for (const kind of ['quickjs:1', 'nodejs:20', 'nodejs:node-proxy']) {
  describe(`an action of kind ${kind}`, { timeout: 120_000 }, () => {
    const name = `greet-${kind.replace(':', '-')}`

    test('is created, read, listed and updated', async () => {
      const { ow } = it
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
      const { ow } = it
      const result = await ow.actions.invoke({ name, blocking: true, result: true, params: { name: 'bob' } })
      assert.deepEqual(result, { greeting: 'hello bob' })
      const record = await ow.actions.invoke({ name, blocking: true, params: { name: 'eve' } })
      assert.equal(record.response.status, 'success')
      assert.deepEqual(record.response.result, { greeting: 'hello eve' })
      const { activationId } = await ow.actions.invoke({ name, params: { name: 'mia' } })
      assert.match(activationId, /^[0-9a-f]{32}$/)
      assert.deepEqual((await it.stored(activationId)).response.result, { greeting: 'hello mia' })
    })

    test('leaves activations with result and logs', async () => {
      const { ow } = it
      const { activationId } = await ow.actions.invoke({ name, params: { name: 'log' } })
      await it.stored(activationId)
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
      const { ow } = it
      await ow.actions.create({ name: `${name}-throws`, action: 'function main () { throw new Error("boom") }', kind })
      await assert.rejects(ow.actions.invoke({ name: `${name}-throws`, blocking: true }), error => {
        assert.equal(error.statusCode, 502)
        assert.equal(error.error.response.status, 'action developer error')
        assert.match(error.error.response.result.error, /boom/)
        return true
      })
    })

    test('that returns an error answers 502 and stays warm', async () => {
      const { ow } = it
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
        await it.stored(record.activationId)
      }
    })

    test('is deleted', async () => {
      const { ow } = it
      const deleted = await ow.actions.delete({ name })
      assert.equal(deleted.name, name)
      await refused(ow.actions.get({ name }), 404, MISSING)
      await refused(ow.actions.invoke({ name, blocking: true }), 404, MISSING)
    })
  })
}

describe('the client is refused', () => {
  test('with a wrong key', async () => {
    const stranger = it.client(`${GUEST.slice(0, -1)}x`)
    await refused(stranger.actions.list(), 401, 'The supplied authentication is invalid')
  })

  test('when it creates what exists', async () => {
    const { ow } = it
    await ow.actions.create({ name: 'twice', action: GREET, kind: 'quickjs:1' })
    await refused(ow.actions.create({ name: 'twice', action: GREET, kind: 'quickjs:1' }), 409, 'resource already exists')
  })

  test('with what is no action', async () => {
    const { ow } = it
    const malformed = /^The request content was malformed:\n/
    await refused(ow.actions.create({ name: 'cobol', action: 'x', kind: 'cobol:1' }), 400, malformed)
    await refused(ow.actions.create({ name: 'none', action: { exec: { kind: 'quickjs:1' } } }), 400, malformed)
    await refused(ow.actions.create({ name: 'a%23b', action: 'x', kind: 'quickjs:1' }), 400, 'The name of the entity contains illegal characters.')
    await refused(ow.actions.create({ name: 'huge', action: 'x', kind: 'quickjs:1', limits: { memory: 513 } }), 400,
      'memory size 513 MB exceeds allowed threshold of 512 MB')
  })

  test('in another namespace', async () => {
    await refused(it.ow.actions.list({ namespace: 'other' }), 403,
      "The supplied authentication is not authorized to access 'other'.")
    await refused(it.ow.actions.get({ name: '/other/secret' }), 403,
      "The supplied authentication is not authorized to access 'other/secret'.")
  })

  test('for an activation that does not exist', async () => {
    const { ow } = it
    for (const view of ['get', 'logs', 'result']) {
      await refused(ow.activations[view]({ name: '0'.repeat(32) }), 404, MISSING)
    }
    await refused(ow.activations.get('short'), 400, 'Activation id length is 5 but must be 32.')
  })

  test('with a page that is out of range', async () => {
    await refused(it.ow.actions.list({ limit: 201 }), 400,
      "The query parameter 'limit' was malformed:\nThe value '201' is not in the range of 0 to 200 for actions.")
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
    const edge = it.client(it.daemon.createKey('edge'))
    await edge.actions.create({ name: 'callee', action: GREET, kind: 'quickjs:1' })
    const code = readFileSync(zip)
    const created = await edge.actions.create({ name: 'caller', action: code, kind: 'nodejs:20', annotations: { 'provide-api-key': true } })
    assert.deepEqual([created.exec.binary, created.exec.code], [true, code.toString('base64')])
    const listed = (await edge.actions.list()).find(({ name }) => name === 'caller')
    assert.deepEqual(listed.exec, { binary: true })
    const result = await edge.actions.invoke({ name: 'caller', blocking: true, result: true, params: { callee: 'callee' } })
    assert.deepEqual(result, { answer: { greeting: 'hello me' } })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
