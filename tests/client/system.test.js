// What is built in, with the public JavaScript client.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { refused, setUp } from './setup.js'

const it = setUp()
const system = { namespace: 'whisk.system' }

describe('whisk.system', () => {
  test('has public packages', async () => {
    const packages = await it.ow.packages.list(system)
    assert.deepEqual(packages.map(({ name }) => name), ['utils', 'samples'])
    const { actions } = await it.ow.packages.get({ name: 'samples', ...system })
    assert.ok(actions.some(({ name }) => name === 'wordCount'))
  })

  test('has actions that are invoked where they are and through a binding', async () => {
    const { ow } = it
    const blocking = { blocking: true, result: true }
    const echoed = await ow.actions.invoke({ name: '/whisk.system/utils/echo', params: { n: 1.5 }, ...blocking })
    assert.deepEqual(echoed, { n: 1.5 })
    await ow.packages.update({ name: 'tools', package: { binding: { namespace: 'whisk.system', name: 'utils' } } })
    const sorted = await ow.actions.invoke({ name: 'tools/sort', params: { lines: ['b', 'a'] }, ...blocking })
    assert.deepEqual(sorted, { lines: ['a', 'b'], length: 2 })
  })

  test('cannot be changed', async () => {
    await refused(it.ow.packages.delete({ name: 'utils', ...system }), 403)
    await refused(it.ow.actions.update({ name: 'utils/echo', action: 'x', ...system }), 403)
  })
})
