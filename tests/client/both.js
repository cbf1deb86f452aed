// What the tests of a gateway with a master share: two daemons, and a link between them.
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import openwhisk from 'openwhisk'
import { Link } from '../lib/link.mjs'
import { Daemon, GUEST } from './daemon.js'
import { eventually, missing } from './setup.js'

/** Neither needs containers here. */
const PLAIN = { DOCKER_HOST: 'none' }

/** Which entities there are. */
const COLLECTIONS = ['actions', 'packages', 'triggers', 'rules']

/**
 * A gateway with these settings and its master, for the tests of the suite that calls this, with
 * clients of both. They are set once the tests run.
 */
export function setUpBoth (settings) {
  const it = {
    /** A client of the gateway with another key. */
    client: key => openwhisk({ apihost: it.gateway.apihost, api_key: key }),
    /** The stored record of an activation, as the gateway tells it. */
    stored: id => eventually(`activation ${id}`, () => it.ow.activations.get(id).catch(missing)),
    /** What `/` says of the master. */
    state: async () => (await (await fetch(it.gateway.apihost)).json()).master,
    /** The header that tells of an answer without the master, null with it. */
    offline: async path => {
      const headers = { Authorization: `Basic ${btoa(GUEST)}` }
      const answer = await fetch(`${it.gateway.apihost}/api/v1/namespaces/_/${path}`, { headers })
      await answer.arrayBuffer()
      return answer.headers.get('x-owl-offline')
    }
  }
  before(async () => {
    it.master = await Daemon.start(PLAIN)
    it.link = await Link.to(it.master.apihost)
    // A copy is compared with the master's whenever it is read.
    it.gateway = await Daemon.start({ ...PLAIN, OWL_NEXT_OPENWHISK: it.link.url, OWL_REVALIDATE: '0', ...settings })
    it.ow = it.client(GUEST)
    it.cloud = openwhisk({ apihost: it.master.apihost, api_key: GUEST })
  })
  after(async () => {
    assert.equal(await it.gateway.stop(), 0, 'the gateway ends with 0')
    assert.equal(await it.master.stop(), 0, 'the master ends with 0')
    await it.link.cut()
  })
  return it
}

/** All entities of a client's namespace, by collection and name. */
export async function catalogue (client) {
  const all = {}
  for (const collection of COLLECTIONS) {
    all[collection] = {}
    for (const { name, namespace } of await client[collection].list({ limit: 200 })) {
      const inside = namespace.split('/').slice(1).concat(name).join('/')
      all[collection][inside] = await client[collection].get({ name: inside })
    }
  }
  return all
}
