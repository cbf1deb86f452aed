// A flow of a real Node-RED, with its OpenWhisk nodes pointed at the real daemon.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import openwhisk from 'openwhisk'
import { Daemon, GUEST } from '../client/daemon.js'
import { NodeRed } from './node_red.js'

let daemon
let nodeRed
let ow

before(async () => {
  daemon = await Daemon.start()
  ow = openwhisk({ apihost: daemon.apihost, api_key: GUEST })
  nodeRed = await NodeRed.start()
})

after(async () => {
  await nodeRed?.stop()
  assert.equal(await daemon.stop(), 0, 'the daemon ends with 0')
})

/** What an admin would draw: two pages of HTTP, one asks an action, the other fires a trigger. */
const flow = apihost => {
  // Without a slash at its end, which the node would take for the whole address.
  const service = { id: 'service', type: 'openwhisk-service', name: 'OWL', api: `${apihost}/api/v1` }
  const node = (id, type, rest) => ({ id, type, z: 'tab', x: 0, y: 0, wires: [], ...rest })
  const whisk = { service: 'service', namespace: '_', params: [], func: '' }
  return [
    { id: 'tab', type: 'tab', label: 'edge', disabled: false },
    service,
    node('ask', 'http in', { url: '/greet', method: 'post', wires: [['greet']] }),
    node('greet', 'openwhisk-action', { ...whisk, action: 'greet', edit: false, wires: [['answer']] }),
    node('tell', 'http in', { url: '/event', method: 'post', wires: [['event', 'answer']] }),
    node('event', 'openwhisk-trigger', { ...whisk, trigger: 'event', edit: true, params: [{ key: 'from', value: 'node-red' }] }),
    node('answer', 'http response', { statusCode: '' })
  ]
}

/** Asks again until there is an answer that is not null, at most 30 s. */
async function eventually (what, ask) {
  for (let left = 300; left > 0; left--) {
    const answer = await ask()
    if (answer) return answer
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error(`${what} did not come; Node-RED says:\n${nodeRed.log.join('\n')}`)
}

const missing = error => {
  if (error.statusCode === 404) return null
  throw error
}

const post = (path, body) => fetch(`${nodeRed.url}${path}`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
  signal: AbortSignal.timeout(30_000)
}).catch(error => { throw new Error(`${error.message}; Node-RED says:\n${nodeRed.log.join('\n')}`) })

test('a message goes through a flow, an action and a trigger', { timeout: 120_000 }, async t => {
  await ow.actions.create({
    name: 'greet',
    kind: 'quickjs:1',
    action: 'function main ({ name }) { return { greeting: `hello ${name}` } }'
  })
  await ow.actions.create({ name: 'seen', kind: 'quickjs:1', action: 'function main ({ __ow_headers, ...seen }) { return { seen } }' })
  await nodeRed.deploy(flow(daemon.apihost), { service: { key: GUEST } })

  await t.test('the result of the action is the answer', async () => {
    const answer = await post('/greet', { name: 'flow' })
    assert.equal(answer.status, 200)
    assert.deepEqual(await answer.json(), { greeting: 'hello flow' })
  })

  await t.test('the flow creates its trigger and fires it', async () => {
    const trigger = await eventually('the trigger', () => ow.triggers.get({ name: 'event' }).catch(missing))
    assert.deepEqual(trigger.parameters, [{ key: 'from', value: 'node-red' }])
    await ow.rules.create({ name: 'see', trigger: 'event', action: 'seen' })
    const answer = await post('/event', { temperature: 21.5 })
    assert.equal(answer.status, 200)
    const first = list => list.length > 0 ? list[0] : null
    const fired = await eventually('the activation of the trigger', async () => first(await ow.activations.list({ name: 'event' })))
    const record = await ow.activations.get(fired.activationId)
    assert.deepEqual(record.response.result, { temperature: 21.5 })
    assert.equal(JSON.parse(record.logs[0]).action, 'guest/seen')
    const run = await eventually('the activation of the action', async () => first(await ow.activations.list({ name: 'seen', docs: true })))
    assert.deepEqual(run.response.result, { seen: { from: 'node-red', temperature: 21.5 } })
  })
})
