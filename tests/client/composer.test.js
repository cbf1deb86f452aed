// Compositions of openwhisk-composer: its library compiles and deploys them, its conductor runs
// here as it is. No Docker: the default kind for node is quickjs:1 then.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import composer from 'openwhisk-composer'
import connect from 'openwhisk-composer/client.js'
import { GUEST } from './daemon.js'
import { setUp } from './setup.js'

const it = setUp({ DOCKER_HOST: 'none' })
const action = (name, main) => composer.action(name, { action: main })
const increment = action('increment', ({ n }) => ({ n: n + 1 }))
const double = action('double', ({ n }) => ({ n: n * 2 }))
const fail = action('fail', ({ n }) => ({ error: `no ${n}` }))
// It fails for as long as its answer would be less than `least`.
const reach = action('reach', ({ n, least }) => n < least ? { error: 'too small' } : { n })

/** Deploys a composition under a name, as `deploy` of the library's command does. */
async function deploy (name, composition, kind) {
  const { compositions } = connect({ apihost: it.daemon.apihost, api_key: GUEST, namespace: '_' })
  await compositions.deploy({ name, ...composition.compile() }, true, undefined, kind)
}

/** Deploys a composition and gives the record of its run. */
async function run (name, composition, params) {
  await deploy(name, composition)
  return it.ow.actions.invoke({ name, params, blocking: true })
}

/** Names of the activations directly in a composition. */
async function inside (record) {
  const children = await Promise.all(record.logs.map(it.stored))
  return children.map(({ name, cause }) => {
    assert.equal(cause, record.activationId)
    return name
  })
}

describe('a composition', () => {
  test('in sequence', async () => {
    const record = await run('in-sequence', composer.sequence(increment, double, increment), { n: 1 })
    assert.deepEqual(record.response.result, { n: 5 })
    const conductor = 'in-sequence'
    assert.deepEqual(await inside(record), [conductor, 'increment', conductor, 'double', conductor, 'increment', conductor])
    const annotations = Object.fromEntries(record.annotations.map(({ key, value }) => [key, value]))
    assert.equal(annotations.conductor, true)
    assert.equal(annotations.kind, 'sequence')
  })

  test('with if, functions and saved parameters', async () => {
    const composition = composer.if(({ n }) => n > 10, increment, double)
    assert.deepEqual((await run('choice', composition, { n: 11 })).response.result, { n: 12 })
    assert.deepEqual((await run('choice', composition, { n: 3 })).response.result, { n: 6 })
  })

  test('with while', async () => {
    const composition = composer.while(({ n }) => n < 20, double)
    assert.deepEqual((await run('loop', composition, { n: 3 })).response.result, { n: 24 })
  })

  test('with try', async () => {
    const composition = composer.try(composer.sequence(increment, fail, double), ({ error }) => ({ caught: error }))
    const record = await run('caught', composition, { n: 1 })
    assert.deepEqual(record.response.result, { caught: 'no 2' })
    assert.ok(!(await inside(record)).includes('double'))
  })

  test('with an error that nothing catches', async () => {
    await assert.rejects(run('uncaught', composer.sequence(fail, increment), { n: 1 }), error => {
      assert.equal(error.statusCode, 502)
      assert.deepEqual(error.error.response.result, { error: 'no 1' })
      return true
    })
  })

  test('with retry', async () => {
    // Each attempt gets the parameters anew; what counts them is declared outside.
    const attempt = composer.sequence(params => { tries++; return { ...params, n: tries } }, reach)
    const composition = composer.let({ tries: 0 }, composer.retry(5, attempt))
    const record = await run('again', composition, { least: 3 })
    assert.deepEqual(record.response.result, { n: 3 })
    const tries = (await inside(record)).filter(name => name === 'reach')
    assert.equal(tries.length, 3)
  })

  test('in another, with a built-in action, from a sequence, and not waited for', async () => {
    await deploy('inner', composer.sequence(increment, '/whisk.system/utils/echo'), 'quickjs:1')
    await deploy('outer', composer.sequence('inner', double))
    await it.ow.actions.update({ name: 'around', sequence: ['/_/increment', '/_/outer', '/_/increment'] })
    const { activationId } = await it.ow.actions.invoke({ name: 'around', params: { n: 1 } })
    const record = await it.stored(activationId)
    assert.deepEqual(record.response.result, { n: 7 })
    assert.deepEqual(await inside(record), ['increment', 'outer', 'increment'])
    const outer = await it.stored(record.logs[1])
    assert.deepEqual(await inside(outer), ['outer', 'inner', 'outer', 'double', 'outer'])
  })

  test('says why what needs the network does not work in quickjs:1', async () => {
    await assert.rejects(run('alone', composer.async(increment), { n: 1 }), error => {
      assert.equal(error.statusCode, 502)
      assert.match(error.error.response.result.error, /no network: use a nodejs kind/)
      return true
    })
  })
})
