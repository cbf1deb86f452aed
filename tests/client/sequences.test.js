// Sequences with the public JavaScript client.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { refused, setUp } from './setup.js'

const it = setUp()
const add = n => `function main ({ n }) { return { n: n + ${n} } }`

describe('a sequence', () => {
  test('passes results on and leaves a record of its components', async () => {
    const { ow } = it
    await ow.actions.create({ name: 'one', action: add(1), kind: 'quickjs:1' })
    await ow.actions.create({ name: 'ten', action: add(10), kind: 'quickjs:1' })
    const created = await ow.actions.create({ name: 'sum', sequence: ['/_/one', '/guest/ten', '/_/one'] })
    assert.deepEqual(created.exec, { kind: 'sequence', components: ['/guest/one', '/guest/ten', '/guest/one'] })
    const record = await ow.actions.invoke({ name: 'sum', blocking: true, params: { n: 5 } })
    assert.deepEqual(record.response.result, { n: 17 })
    const { logs, annotations } = await it.stored(record.activationId)
    assert.ok(annotations.some(({ key, value }) => key === 'topmost' && value === true))
    const results = await Promise.all(logs.map(async id => {
      const component = await it.stored(id)
      assert.equal(component.cause, record.activationId)
      return component.response.result.n
    }))
    assert.deepEqual(results, [6, 16, 17])
  })

  test('may hold another, and runs without waiting', async () => {
    const { ow } = it
    await ow.actions.create({ name: 'twice', sequence: ['/_/sum', '/_/sum'] })
    const { activationId } = await ow.actions.invoke({ name: 'twice', params: { n: 0 } })
    const record = await it.stored(activationId)
    assert.deepEqual(record.response.result, { n: 24 })
    assert.equal(record.logs.length, 2)
  })

  test('ends with the first error', async () => {
    const { ow } = it
    await ow.actions.create({ name: 'fails', action: 'function main () { return { error: { of: "mine" } } }', kind: 'quickjs:1' })
    await ow.actions.create({ name: 'stops', sequence: ['/_/one', '/_/fails', '/_/ten'] })
    await assert.rejects(ow.actions.invoke({ name: 'stops', blocking: true, params: { n: 0 } }), error => {
      assert.equal(error.statusCode, 502)
      assert.deepEqual(error.error.response.result, { error: { of: 'mine' } })
      return true
    })
  })

  test('is refused with what it may not be', async () => {
    const { ow } = it
    await refused(ow.actions.create({ name: 'bad', sequence: ['/_/none'] }), 400, 'Sequence component does not exist.')
    await refused(ow.actions.create({ name: 'bad', sequence: ['/_/bad'] }), 400, 'Sequence may not refer to itself.')
    await refused(ow.actions.create({ name: 'bad', sequence: Array(51).fill('/_/one') }), 400, 'Too many actions in the sequence.')
    await refused(ow.actions.get({ name: 'bad' }), 404)
  })
})
