// Triggers, rules and feeds with the public JavaScript client.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { GUEST } from './daemon.js'
import { ECHO, MISSING, eventually, refused, setUp } from './setup.js'

const it = setUp()

/** The newest activation of an action, in full. */
const newest = name => eventually(`an activation of ${name}`,
  async () => (await it.ow.activations.list({ name, limit: 1, docs: true }))[0])

describe('a trigger', () => {
  test('is created, read, listed, updated and deleted', async () => {
    const { ow } = it
    const parameters = [{ key: 'place', value: 'here' }]
    const created = await ow.triggers.create({ name: 'door', trigger: { parameters } })
    assert.deepEqual([created.version, created.limits], ['0.0.1', {}])
    assert.ok(!('rules' in created))
    await refused(ow.triggers.create({ name: 'door' }), 409, 'resource already exists')
    const updated = await ow.triggers.update({ name: 'door', annotations: { about: 'a door' } })
    assert.equal(updated.version, '0.0.2')
    const read = await ow.triggers.get({ name: 'door' })
    assert.deepEqual(read.parameters, parameters)
    assert.deepEqual(read.annotations, [{ key: 'about', value: 'a door' }])
    assert.deepEqual((await ow.triggers.list()).map(({ name }) => name), ['door'])
    assert.deepEqual(await ow.triggers.list({ count: true }), { triggers: 1 })
    assert.equal((await ow.triggers.delete({ name: 'door' })).name, 'door')
    await refused(ow.triggers.get({ name: 'door' }), 404, MISSING)
    await refused(ow.triggers.invoke({ name: 'door' }), 404, MISSING)
  })

  test('without rules fires nothing', async () => {
    const { ow } = it
    await ow.triggers.create({ name: 'alone' })
    const fired = await ow.triggers.invoke({ name: 'alone', params: { x: 1 } })
    assert.ok(!fired?.activationId, 'nothing was activated')
    assert.deepEqual(await ow.activations.list({ name: 'alone' }), [])
  })
})

describe('a rule', () => {
  test('runs its action while it is on', async () => {
    const { ow } = it
    await ow.triggers.create({ name: 'event', trigger: { parameters: [{ key: 'a', value: 1 }, { key: 'b', value: 1 }] } })
    await ow.actions.create({ name: 'seen', action: ECHO, kind: 'quickjs:1' })
    const rule = await ow.rules.create({ name: 'see', trigger: 'event', action: 'seen' })
    assert.equal(rule.status, 'active')
    assert.deepEqual([rule.trigger, rule.action], [{ path: 'guest', name: 'event' }, { path: 'guest', name: 'seen' }])
    const { activationId } = await ow.triggers.invoke({ name: 'event', params: { b: 2, c: 3 } })
    const fired = await it.stored(activationId)
    assert.deepEqual(fired.response.result, { b: 2, c: 3 })
    const outcome = JSON.parse(fired.logs[0])
    assert.deepEqual([outcome.statusCode, outcome.success, outcome.rule, outcome.action], [0, true, 'guest/see', 'guest/seen'])
    const { __ow_headers: headers, ...arguments_ } = (await it.stored(outcome.activationId)).response.result
    assert.deepEqual(arguments_, { a: 1, b: 2, c: 3 })
    assert.equal(typeof headers, 'object')

    await ow.rules.disable({ name: 'see' })
    assert.equal((await ow.rules.get({ name: 'see' })).status, 'inactive')
    assert.equal((await ow.triggers.get({ name: 'event' })).rules['guest/see'].status, 'inactive')
    assert.ok(!(await ow.triggers.invoke({ name: 'event' }))?.activationId)
    await ow.rules.enable({ name: 'see' })
    assert.equal((await ow.rules.get({ name: 'see' })).status, 'active')
    assert.ok((await ow.triggers.invoke({ name: 'event' })).activationId)
  })

  test('is listed, updated to another action, and deleted', async () => {
    const { ow } = it
    await ow.actions.create({ name: 'also', action: ECHO, kind: 'quickjs:1' })
    assert.deepEqual((await ow.rules.list()).map(({ name }) => name), ['see'])
    assert.deepEqual(await ow.rules.list({ count: true }), { rules: 1 })
    const updated = await ow.rules.update({ name: 'see', trigger: 'event', action: 'also' })
    assert.deepEqual([updated.version, updated.status, updated.action.name], ['0.0.2', 'active', 'also'])
    await ow.triggers.invoke({ name: 'event', params: { again: true } })
    assert.equal((await newest('also')).response.result.again, true)
    assert.equal((await ow.rules.delete({ name: 'see' })).status, 'inactive')
    assert.deepEqual((await ow.triggers.get({ name: 'event' })).rules, {})
    await refused(ow.rules.get({ name: 'see' }), 404, MISSING)
  })

  test('needs a trigger and an action that exist', async () => {
    const { ow } = it
    await refused(ow.rules.create({ name: 'bad', trigger: 'none', action: 'seen' }), 400, 'trigger /guest/none does not exist')
    await refused(ow.rules.create({ name: 'bad', trigger: 'event', action: 'none' }), 400, 'action /guest/none does not exist')
    await refused(ow.rules.create({ name: 'seen', trigger: 'event', action: 'seen' }), 409)
  })
})

test('a feed is asked for each step of its trigger\'s life', async () => {
  const { ow } = it
  await ow.packages.create({ name: 'alarms' })
  await ow.actions.create({ name: 'alarms/alarm', action: ECHO, kind: 'quickjs:1', annotations: { feed: true } })
  const { actions, feeds } = await ow.packages.get({ name: 'alarms' })
  assert.deepEqual([actions, feeds.map(({ name }) => name)], [[], ['alarm']])
  await ow.triggers.create({ name: 'tick', annotations: { feed: 'alarms/alarm' } })
  for (const [step, lifecycleEvent] of [['create', 'CREATE'], ['get', 'READ'], ['update', 'UPDATE'], ['delete', 'DELETE']]) {
    const { response } = await ow.feeds[step]({ name: 'alarms/alarm', trigger: 'tick', params: { cron: '* * * * *' } })
    assert.deepEqual(response.result, { lifecycleEvent, triggerName: '/_/tick', authKey: GUEST, cron: '* * * * *' })
  }
  await refused(ow.feeds.create({ name: 'alarms/none', trigger: 'tick' }), 404, MISSING)
})
