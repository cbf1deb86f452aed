// A gateway with a master, with the public JavaScript client: with the link between them, without it, and afterwards.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { catalogue, setUpBoth } from './both.js'
import { GUEST } from './daemon.js'
import { ECHO, MISSING, eventually, missing, refused } from './setup.js'

const CODE = text => `function main (params) {
  console.log('${text} for ' + params.name)
  return { text: '${text}', name: params.name }
}`
const WEB = 'function main ({ name, __ow_method }) { return { body: { hello: name, by: __ow_method } } }'
const kind = 'quickjs:1'
const annotations = record => Object.fromEntries(record.annotations.map(({ key, value }) => [key, value]))
const result = { blocking: true, result: true }

describe('a gateway with a journal', { timeout: 300_000 }, () => {
  const it = setUpBoth({ OWL_OFFLINE_WRITES: 'journal' })

  /** Whether an activation is in the master's store. */
  const atMaster = async id => await it.cloud.activations.get(id).catch(missing) !== undefined

  /** Expects that both sides say the same of an entity, and returns it. */
  const agreed = async (collection, name) => {
    const here = await it.ow[collection].get({ name })
    assert.deepEqual(here, await it.cloud[collection].get({ name }), `${collection}/${name}`)
    return here
  }

  describe('and its master', () => {
    test('have the same actions, which run on the gateway', async () => {
      const { ow, cloud } = it
      const created = await ow.actions.create({ name: 'greet', action: CODE('one'), kind, params: { name: 'nobody' } })
      assert.equal(created.version, '0.0.1')
      assert.deepEqual(created, await cloud.actions.get({ name: 'greet' }))
      await refused(ow.actions.create({ name: 'greet', action: ECHO, kind }), 409, 'resource already exists')
      assert.deepEqual(await ow.actions.invoke({ name: 'greet', ...result }), { text: 'one', name: 'nobody' })
      await ow.actions.update({ name: 'greet', action: CODE('two'), kind, limits: { timeout: 30_000 } })
      assert.equal((await agreed('actions', 'greet')).version, '0.0.2')
      const record = await ow.actions.invoke({ name: 'greet', blocking: true, params: { name: 'bob' } })
      assert.deepEqual(record.response.result, { text: 'two', name: 'bob' })
      assert.equal(await atMaster(record.activationId), false)
      await cloud.actions.update({ name: 'greet', action: CODE('three'), kind })
      assert.equal((await ow.actions.invoke({ name: 'greet', ...result })).text, 'three')
      assert.deepEqual((await ow.actions.list()).map(({ name }) => name), ['greet'])
      await ow.actions.create({ name: 'short', action: ECHO, kind })
      assert.equal((await ow.actions.delete({ name: 'short' })).name, 'short')
      await refused(cloud.actions.get({ name: 'short' }), 404, MISSING)
      await refused(ow.actions.invoke({ name: 'short', blocking: true }), 404, MISSING)
      await refused(ow.actions.create({ name: 'cobol', action: 'x', kind: 'cobol:1' }), 400, /^The request content was malformed:\n/)
    })

    test('have activations of their own, which the gateway shows together', async () => {
      const { ow, cloud } = it
      const here = await ow.actions.invoke({ name: 'greet', params: { name: 'here' } })
      const there = await cloud.actions.invoke({ name: 'greet', params: { name: 'there' } })
      for (const [{ activationId: id }, name] of [[here, 'here'], [there, 'there']]) {
        assert.equal((await it.stored(id)).response.result.name, name)
        const { logs } = await ow.activations.logs({ name: id })
        assert.match(logs[0], new RegExp(`stdout: three for ${name}$`))
        assert.deepEqual((await ow.activations.result({ name: id })).result, { text: 'three', name })
      }
      const listed = await ow.activations.list({ name: 'greet', limit: 2 })
      assert.deepEqual(listed.map(({ activationId }) => activationId), [there, here].map(({ activationId }) => activationId))
      assert.equal(await atMaster(here.activationId), false)
      for (const view of ['get', 'logs', 'result']) {
        await refused(ow.activations[view]({ name: '0'.repeat(32) }), 404, MISSING)
      }
    })

    test('have the same packages and bindings, for each key what it may see', async () => {
      const { ow } = it
      await ow.packages.create({ name: 'shared', package: { publish: true, parameters: [{ key: 'a', value: 1 }, { key: 'b', value: 1 }] } })
      await ow.actions.create({ name: 'shared/echo', action: ECHO, kind })
      await ow.packages.create({ name: 'private' })
      await ow.actions.create({ name: 'private/echo', action: ECHO, kind })
      assert.deepEqual((await agreed('packages', 'shared')).actions.map(({ name }) => name), ['echo'])
      await agreed('actions', 'shared/echo')
      it.edge = it.client(it.master.createKey('edge'))
      const bound = await it.edge.packages.create({
        name: 'mine',
        package: { binding: { namespace: 'guest', name: 'shared' }, parameters: [{ key: 'b', value: 2 }] }
      })
      assert.deepEqual(bound.binding, { namespace: 'guest', name: 'shared' })
      const record = await it.edge.actions.invoke({ name: 'mine/echo', blocking: true, params: { c: 3 } })
      assert.deepEqual(record.response.result, { a: 1, b: 2, c: 3 })
      assert.equal(record.namespace, 'edge')
      assert.deepEqual([annotations(record).path, annotations(record).binding], ['guest/shared/echo', 'edge/mine'])
      await refused(it.edge.actions.invoke({ name: '/guest/private/echo', blocking: true }), 403)
      await refused(it.edge.packages.get({ name: '/guest/private' }), 403)
    })

    test('have the same sequences', async () => {
      const { ow } = it
      await ow.actions.create({ name: 'both', sequence: ['/_/greet', '/_/shared/echo'] })
      assert.deepEqual((await agreed('actions', 'both')).exec.components, ['/guest/greet', '/guest/shared/echo'])
      const record = await ow.actions.invoke({ name: 'both', blocking: true, params: { name: 'seq' } })
      assert.deepEqual(record.response.result, { a: 1, b: 1, text: 'three', name: 'seq' })
      const { logs } = await it.stored(record.activationId)
      assert.equal(logs.length, 2)
      for (const id of logs) assert.equal((await it.stored(id)).cause, record.activationId)
      await refused(ow.actions.create({ name: 'bad', sequence: ['/_/none'] }), 400, 'Sequence component does not exist.')
    })

    test('have the same triggers and rules', async () => {
      const { ow } = it
      await ow.triggers.create({ name: 'event', trigger: { parameters: [{ key: 'name', value: 'event' }] } })
      const rule = await ow.rules.create({ name: 'see', trigger: 'event', action: 'greet' })
      assert.equal(rule.status, 'active')
      await agreed('rules', 'see')
      assert.equal((await agreed('triggers', 'event')).rules['guest/see'].status, 'active')
      assert.equal(await outcome('event', { more: 1 }), 'three')
      await ow.rules.disable({ name: 'see' })
      assert.equal((await agreed('triggers', 'event')).rules['guest/see'].status, 'inactive')
      assert.ok(!(await ow.triggers.invoke({ name: 'event' }))?.activationId, 'nothing was activated')
      await ow.rules.enable({ name: 'see' })
      assert.equal((await agreed('rules', 'see')).status, 'active')
      await refused(ow.rules.create({ name: 'bad', trigger: 'none', action: 'greet' }), 400)
      // Neither side has an engine for containers: this one fires at the master alone.
      await ow.actions.create({ name: 'heavy', action: ECHO, kind: 'nodejs:20' })
      await ow.triggers.create({ name: 'far' })
      await ow.rules.create({ name: 'reaches', trigger: 'far', action: 'heavy' })
      const { activationId } = await ow.triggers.invoke({ name: 'far', params: { n: 0 } })
      await eventually('it at the master', () => atMaster(activationId))
      assert.deepEqual((await it.stored(activationId)).response.result, { n: 0 })
    })

    test('have the same feeds', async () => {
      const { ow } = it
      await ow.packages.create({ name: 'alarms' })
      await ow.actions.create({ name: 'alarms/alarm', action: ECHO, kind, annotations: { feed: true } })
      assert.deepEqual((await agreed('packages', 'alarms')).feeds.map(({ name }) => name), ['alarm'])
      await ow.triggers.create({ name: 'tick', annotations: { feed: 'alarms/alarm' } })
      await feeds()
    })

    test('have the same routes, which lead to the master', async () => {
      const { ow } = it
      await ow.actions.create({ name: 'page', action: { exec: { kind, code: WEB }, annotations: [{ key: 'web-export', value: true }] } })
      await ow.routes.create({ basepath: '/shop', relpath: '/book/{name}', operation: 'GET', action: 'page' })
      const { apis } = await ow.routes.get({ basepath: '/shop' })
      const [{ value: { gwApiUrl: there } }] = (await it.cloud.routes.get({ basepath: '/shop' })).apis
      // The same API, under the URL by which the gateway knows its master.
      const [{ value: { gwApiUrl } }] = apis
      assert.equal(gwApiUrl, there.replace(it.master.apihost, it.link.url))
      for (const url of [there, gwApiUrl, there.replace(it.master.apihost, it.gateway.apihost)]) {
        const answer = await fetch(`${url}/book/owl`)
        assert.equal(answer.status, 200, url)
        assert.deepEqual(await answer.json(), { hello: 'owl', by: 'get' })
      }
      await ow.routes.delete({ basepath: '/shop' })
      assert.deepEqual((await it.cloud.routes.list()).apis, [])
    })

    test('have the same namespace', async () => {
      assert.deepEqual(await it.ow.namespaces.list(), ['guest'])
      assert.deepEqual(await it.ow.namespaces.get(), await it.cloud.namespaces.get())
      assert.deepEqual(await catalogue(it.ow), await catalogue(it.cloud))
      assert.equal((await it.state()).state, 'up')
      assert.equal(await it.offline('actions/greet'), null)
    })
  })

  describe('without its master', () => {
    test('shows what it knows and says so', async () => {
      await it.link.cut()
      const known = await it.ow.actions.get({ name: 'greet' })
      assert.deepEqual(known, await it.cloud.actions.get({ name: 'greet' }))
      assert.match(await it.offline('actions/greet'), /^\d+$/)
      assert.equal((await it.state()).state, 'down')
      assert.deepEqual(await it.ow.namespaces.list(), ['guest'])
      const names = list => list.map(({ name }) => name).sort()
      for (const collection of ['actions', 'packages', 'triggers', 'rules']) {
        assert.deepEqual(names(await it.ow[collection].list()), names(await it.cloud[collection].list()), collection)
      }
      // Nobody here knows whether there is one.
      await refused(it.ow.actions.get({ name: 'never-seen' }), 503)
      await refused(it.ow.routes.list(), 503)
      await refused(it.client(`${GUEST.slice(0, -1)}x`).actions.list(), 401)
    })

    test('runs actions, sequences, bindings and feeds', async () => {
      const { ow } = it
      const record = await ow.actions.invoke({ name: 'greet', blocking: true, params: { name: 'alone' } })
      assert.deepEqual(record.response.result, { text: 'three', name: 'alone' })
      const { activationId } = await ow.actions.invoke({ name: 'greet', params: { name: 'later' } })
      assert.equal((await it.stored(activationId)).response.result.name, 'later')
      assert.match((await ow.activations.logs({ name: activationId })).logs[0], /three for later$/)
      assert.equal((await ow.activations.result({ name: activationId })).success, true)
      assert.equal((await ow.activations.list({ limit: 1 }))[0].activationId, activationId)
      assert.equal((await ow.actions.invoke({ name: 'both', ...result, params: { name: 'seq' } })).name, 'seq')
      assert.deepEqual(await it.edge.actions.invoke({ name: 'mine/echo', ...result }), { a: 1, b: 2 })
      await refused(it.edge.actions.invoke({ name: '/guest/private/echo', blocking: true }), 503)
      await feeds()
    })

    test('fires triggers, and keeps those whose actions cannot run here', async () => {
      assert.equal(await outcome('event', { name: 'alone' }), 'three')
      const fired = [await it.ow.triggers.invoke({ name: 'far', params: { n: 1 } }), await it.ow.triggers.invoke({ name: 'far', params: { n: 2 } })]
      it.fired = fired.map(({ activationId }) => activationId)
      for (const [n, id] of it.fired.entries()) {
        assert.deepEqual((await it.stored(id)).response.result, { n: n + 1 })
        assert.equal(await atMaster(id), false)
      }
      assert.equal((await it.state()).fires.waiting, 2)
    })

    test('takes changes of every kind, and they count at once', async () => {
      const { ow } = it
      const updated = await ow.actions.update({ name: 'greet', action: CODE('four'), kind })
      assert.equal((await ow.actions.get({ name: 'greet' })).version, updated.version)
      assert.equal((await ow.actions.invoke({ name: 'greet', ...result })).text, 'four')
      assert.equal(await outcome('event', {}), 'four')
      await ow.actions.create({ name: 'new', action: CODE('new'), kind })
      await refused(ow.actions.create({ name: 'new', action: CODE('new'), kind }), 409, 'resource already exists')
      await ow.actions.create({ name: 'chain', sequence: ['/_/new', '/_/shared/echo'] })
      assert.equal((await ow.actions.invoke({ name: 'chain', ...result })).text, 'new')
      await ow.packages.update({ name: 'shared', package: { parameters: [{ key: 'a', value: 10 }] } })
      assert.equal((await ow.actions.invoke({ name: 'shared/echo', ...result })).a, 10)
      await ow.packages.create({ name: 'tools' })
      await ow.actions.create({ name: 'tools/echo', action: ECHO, kind })
      await ow.packages.create({ name: 'bound', package: { binding: { namespace: '_', name: 'tools' }, parameters: [{ key: 'x', value: 1 }] } })
      assert.deepEqual(await ow.actions.invoke({ name: 'bound/echo', ...result }), { x: 1 })
      await ow.triggers.create({ name: 'door' })
      await ow.rules.create({ name: 'opens', trigger: 'door', action: 'new' })
      assert.equal(await outcome('door', {}), 'new')
      await ow.rules.disable({ name: 'opens' })
      assert.equal((await ow.triggers.get({ name: 'door' })).rules['guest/opens'].status, 'inactive')
      await ow.actions.delete({ name: 'page' })
      await ow.actions.delete({ name: 'alarms/alarm' })
      await ow.packages.delete({ name: 'alarms' })
      await ow.triggers.delete({ name: 'tick' })
      for (const [collection, name] of [['actions', 'page'], ['packages', 'alarms'], ['triggers', 'tick']]) {
        await refused(ow[collection].get({ name }), 404)
      }
      await refused(ow.actions.create({ name: 'cobol', action: 'x', kind: 'cobol:1' }), 400, /^The request content was malformed:\n/)
      assert.notEqual((await it.state()).journal.waiting, 0)
      await refused(it.cloud.actions.get({ name: 'new' }), 404)
    })
  })

  test('and its master agree again when the link is back', async () => {
    await it.link.restore()
    await eventually('the end of what was kept', async () => {
      const { state, journal, fires } = await it.state()
      return state === 'up' && journal.waiting + fires.waiting === 0
    })
    assert.equal((await it.state()).journal.came_to_nothing, 0)
    const all = await catalogue(it.cloud)
    assert.deepEqual(await catalogue(it.ow), all)
    assert.deepEqual(Object.keys(all.actions).sort(), ['both', 'chain', 'greet', 'heavy', 'new', 'private/echo', 'shared/echo', 'tools/echo'])
    assert.deepEqual(Object.keys(all.packages).sort(), ['bound', 'private', 'shared', 'tools'])
    assert.deepEqual(Object.keys(all.triggers).sort(), ['door', 'event', 'far'])
    assert.deepEqual([all.rules.opens.status, all.rules.see.status], ['inactive', 'active'])
    for (const client of [it.ow, it.cloud]) {
      assert.equal((await client.actions.invoke({ name: 'greet', ...result })).text, 'four')
      assert.equal((await client.actions.invoke({ name: 'bound/echo', ...result })).x, 1)
    }
    assert.equal(await it.offline('actions/greet'), null)
    const fired = (await it.cloud.activations.list({ name: 'far' })).map(({ activationId }) => activationId)
    assert.deepEqual(fired.slice(0, -1), it.fired.toReversed(), 'in their order, each once, after the one before')
  })

  /** Fires a trigger with one active rule: the text that its action says. */
  async function outcome (name, params) {
    const { activationId } = await it.ow.triggers.invoke({ name, params })
    const fired = await it.stored(activationId)
    assert.deepEqual(fired.response.result, params)
    const ran = JSON.parse(fired.logs[0])
    assert.deepEqual([ran.statusCode, ran.success], [0, true])
    assert.equal(await atMaster(activationId), false)
    return (await it.stored(ran.activationId)).response.result.text
  }

  /** Each step of a trigger's life is told to its feed. */
  async function feeds () {
    for (const [step, lifecycleEvent] of [['create', 'CREATE'], ['get', 'READ'], ['update', 'UPDATE'], ['delete', 'DELETE']]) {
      const { response } = await it.ow.feeds[step]({ name: 'alarms/alarm', trigger: 'tick' })
      assert.deepEqual(response.result, { lifecycleEvent, triggerName: '/_/tick', authKey: GUEST })
    }
  }
})

describe('a gateway whose master is silent', { timeout: 120_000 }, () => {
  const it = setUpBoth({ OWL_OFFLINE_WRITES: 'journal', OWL_CONNECT_TIMEOUT: '1', OWL_MASTER_TIMEOUT: '1' })

  test('goes on without it', async () => {
    const { ow } = it
    await ow.actions.create({ name: 'greet', action: CODE('one'), kind })
    assert.equal((await ow.actions.invoke({ name: 'greet', ...result })).text, 'one')
    it.master.pause()
    assert.equal((await ow.actions.invoke({ name: 'greet', ...result })).text, 'one')
    assert.equal((await ow.actions.get({ name: 'greet' })).version, '0.0.1')
    await ow.actions.update({ name: 'greet', action: CODE('two'), kind })
    await ow.actions.create({ name: 'new', action: CODE('new'), kind })
    assert.equal((await ow.actions.invoke({ name: 'greet', ...result })).text, 'two')
    assert.equal((await ow.actions.invoke({ name: 'new', ...result })).text, 'new')
    assert.equal((await it.state()).state, 'down')
  })

  test('and both agree when it speaks again', async () => {
    it.master.resume()
    await eventually('the end of the replay', async () => (await it.state()).journal.waiting === 0)
    const all = await catalogue(it.cloud)
    assert.deepEqual([all.actions.greet.version, all.actions.new.version], ['0.0.2', '0.0.1'])
    assert.deepEqual(await catalogue(it.ow), all)
  })
})

describe('a gateway that refuses changes', { timeout: 120_000 }, () => {
  const it = setUpBoth({ OWL_OFFLINE_WRITES: 'refuse' })

  test('says so while its master is out of reach, and nothing is changed', async () => {
    const { ow } = it
    await ow.actions.create({ name: 'greet', action: CODE('one'), kind })
    await ow.packages.create({ name: 'tools' })
    await ow.triggers.create({ name: 'event' })
    await ow.rules.create({ name: 'see', trigger: 'event', action: 'greet' })
    const before = await catalogue(ow)
    await it.link.cut()
    const text = /was not made/
    await refused(ow.actions.update({ name: 'greet', action: CODE('two'), kind }), 503, text)
    await refused(ow.actions.create({ name: 'new', action: ECHO, kind }), 503, text)
    await refused(ow.actions.delete({ name: 'greet' }), 503, text)
    await refused(ow.packages.update({ name: 'tools', package: { publish: true } }), 503, text)
    await refused(ow.triggers.delete({ name: 'event' }), 503, text)
    await refused(ow.rules.disable({ name: 'see' }), 503, text)
    assert.equal((await ow.actions.invoke({ name: 'greet', ...result })).text, 'one')
    assert.deepEqual(await catalogue(ow), before)
  })

  test('takes them again afterwards', async () => {
    await it.link.restore()
    await eventually('the master', async () => (await it.state()).state === 'up')
    await it.ow.actions.update({ name: 'greet', action: CODE('two'), kind })
    assert.equal((await it.cloud.actions.get({ name: 'greet' })).version, '0.0.2')
    assert.equal((await it.ow.actions.invoke({ name: 'greet', ...result })).text, 'two')
    assert.deepEqual(await catalogue(it.ow), await catalogue(it.cloud))
  })
})
