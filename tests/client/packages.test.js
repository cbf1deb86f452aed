// Packages, bindings and packaged actions with the public JavaScript client.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ECHO, MISSING, refused, setUp } from './setup.js'

const it = setUp()
const list = (key, value) => [{ key, value }]

describe('a package', () => {
  test('is created, read, listed, updated and deleted', async () => {
    const { ow } = it
    const created = await ow.packages.create({ name: 'tools', package: { parameters: list('unit', 'mm') }, annotations: { about: 'tools' } })
    assert.equal(created.version, '0.0.1')
    assert.deepEqual(created.binding, {})
    assert.deepEqual(created.annotations, list('about', 'tools'))
    assert.ok(!('actions' in created))
    const read = await ow.packages.get({ name: 'tools' })
    assert.deepEqual(read.parameters, list('unit', 'mm'))
    assert.deepEqual([read.actions, read.feeds], [[], []])
    const updated = await ow.packages.update({ name: 'tools', package: { publish: true } })
    assert.deepEqual([updated.version, updated.publish], ['0.0.2', true])
    assert.deepEqual(updated.parameters, list('unit', 'mm'))
    const [listed] = await ow.packages.list()
    assert.deepEqual([listed.name, listed.binding], ['tools', false])
    assert.deepEqual(await ow.packages.list({ count: true }), { packages: 1 })
    const deleted = await ow.packages.delete({ name: 'tools' })
    assert.equal(deleted.name, 'tools')
    await refused(ow.packages.get({ name: 'tools' }), 404, "The requested resource 'guest/tools' does not exist.")
    await refused(ow.packages.delete({ name: 'tools' }), 404, MISSING)
  })

  test('is not created twice, not with a reserved name, and not deleted while it has actions', async () => {
    const { ow } = it
    await ow.packages.create({ name: 'full' })
    await refused(ow.packages.create({ name: 'full' }), 409, 'resource already exists')
    await refused(ow.packages.create({ name: 'default' }), 400, "Package name 'default' is reserved.")
    await ow.actions.create({ name: 'full/one', action: ECHO, kind: 'quickjs:1' })
    await refused(ow.packages.delete({ name: 'full' }), 409,
      'Package not empty (contains 1 entity). Set force param or delete package contents.')
    await ow.actions.delete({ name: 'full/one' })
    await ow.packages.delete({ name: 'full' })
  })
})

describe('a packaged action', () => {
  test('has its package in its name and in its parameters', async () => {
    const { ow } = it
    await ow.packages.create({ name: 'measure', package: { parameters: [...list('unit', 'mm'), ...list('scale', 1)] } })
    const action = await ow.actions.create({ name: 'measure/length', action: ECHO, kind: 'quickjs:1', params: { scale: 2, own: true } })
    assert.equal(action.namespace, 'guest/measure')
    const all = { unit: 'mm', scale: 2, own: true }
    const read = await ow.actions.get({ name: 'measure/length' })
    assert.deepEqual(Object.fromEntries(read.parameters.map(({ key, value }) => [key, value])), all)
    assert.deepEqual((await ow.packages.get({ name: 'measure' })).actions.map(({ name }) => name), ['length'])
    assert.ok((await ow.actions.list()).some(({ name, namespace }) => name === 'length' && namespace === 'guest/measure'))
    const result = await ow.actions.invoke({ name: 'measure/length', blocking: true, result: true, params: { own: 'payload' } })
    // 11.7-179
    assert.deepEqual(result, { ...all, own: 'payload' })
  })

  test('runs through a binding with its parameters', async () => {
    const { ow } = it
    const edge = it.client(it.daemon.createKey('edge'))
    await ow.packages.create({ name: 'shared', package: { publish: true, parameters: [...list('a', 'package'), ...list('b', 'package'), ...list('c', 'package')] } })
    await ow.actions.create({ name: 'shared/echo', action: ECHO, kind: 'quickjs:1', params: { c: 'action', d: 'action' } })
    const bound = await edge.packages.create({
      name: 'mine',
      package: { binding: { namespace: 'guest', name: 'shared' }, parameters: [...list('b', 'binding'), ...list('c', 'binding'), ...list('d', 'binding')] }
    })
    assert.deepEqual(bound.binding, { namespace: 'guest', name: 'shared' })
    assert.deepEqual((await edge.packages.get({ name: 'mine' })).actions.map(({ name }) => name), ['echo'])
    // 11.7-179
    const record = await edge.actions.invoke({ name: 'mine/echo', blocking: true, params: { d: 'payload' } })
    assert.deepEqual(record.response.result, { a: 'package', b: 'binding', c: 'action', d: 'payload' })
    // 11.7-193
    const annotation = key => record.annotations.find(entry => entry.key === key)?.value
    assert.equal(record.namespace, 'edge')
    assert.equal(annotation('path'), 'guest/shared/echo')
    assert.equal(annotation('binding'), 'edge/mine')
    const direct = await ow.actions.invoke({ name: 'shared/echo', blocking: true })
    assert.equal(direct.annotations.find(({ key }) => key === 'path').value, 'guest/shared/echo')
    assert.ok(!direct.annotations.some(({ key }) => key === 'binding'))
    await refused(edge.actions.create({ name: 'mine/other', action: ECHO, kind: 'quickjs:1' }), 400, 'Operation not permitted on package binding.')
    // Without the binding it runs too: the package is public.
    assert.deepEqual(await edge.actions.invoke({ name: '/guest/shared/echo', blocking: true, result: true }),
      { a: 'package', b: 'package', c: 'action', d: 'action' })
    await edge.packages.delete({ name: 'mine' })
  })

  test('of a private package is nobody else\'s', async () => {
    const { ow } = it
    const stranger = it.client(it.daemon.createKey('stranger'))
    await ow.packages.create({ name: 'private' })
    await ow.actions.create({ name: 'private/echo', action: ECHO, kind: 'quickjs:1' })
    const text = "The supplied authentication is not authorized to access 'guest/private'."
    await refused(stranger.actions.invoke({ name: '/guest/private/echo', blocking: true }), 403, text)
    await refused(stranger.packages.get({ name: '/guest/private' }), 403, text)
    await refused(stranger.packages.get({ name: '/guest/absent' }), 403)
    const seen = await stranger.packages.list({ namespace: 'guest' })
    assert.ok(!seen.some(({ name }) => name === 'private'))
    await refused(stranger.packages.create({ name: 'b', package: { binding: { namespace: 'guest', name: 'private' } } }), 403)
  })
})

test('the namespace shows all that is in it', async () => {
  const { ow } = it
  assert.deepEqual(await ow.namespaces.list(), ['guest'])
  await ow.triggers.create({ name: 'shown' })
  await ow.actions.create({ name: 'shows', action: ECHO, kind: 'quickjs:1' })
  await ow.rules.create({ name: 'showing', trigger: 'shown', action: 'shows' })
  const all = await ow.namespaces.get()
  for (const [collection, name] of [['actions', 'shows'], ['packages', 'measure'], ['triggers', 'shown'], ['rules', 'showing']]) {
    assert.ok(all[collection].some(entity => entity.name === name), `${name} is not in ${collection}`)
  }
})
