// Routes of the API gateway with the public JavaScript client.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { refused, setUp } from './setup.js'

const it = setUp()
const WEB = 'function main ({ name, __ow_method }) { return { body: { hello: name, by: __ow_method } } }'

/** The addresses that the gateway gave for a base path. */
async function address (basepath) {
  const { apis } = await it.ow.routes.get({ basepath })
  assert.equal(apis.length, 1, `apis of ${basepath}`)
  return apis[0].value
}

describe('a route', () => {
  test('leads to its web action', async () => {
    const { ow } = it
    await ow.actions.create({ name: 'page', action: { exec: { kind: 'quickjs:1', code: WEB }, annotations: [{ key: 'web-export', value: true }] } })
    const created = await ow.routes.create({ basepath: '/shop', relpath: '/book/{name}', operation: 'GET', action: 'page' })
    assert.equal(created.apidoc.basePath, '/shop')
    await ow.routes.create({ basepath: '/shop', relpath: '/book/{name}', operation: 'PUT', action: 'page' })
    const { gwApiUrl, apidoc } = await address('/shop')
    assert.deepEqual(Object.keys(apidoc.paths), ['/book/{name}'])
    assert.deepEqual(Object.keys(apidoc.paths['/book/{name}']).filter(key => key !== 'parameters').sort(), ['get', 'put'])
    for (const method of ['GET', 'PUT']) {
      const answer = await fetch(`${gwApiUrl}/book/owl`, { method })
      assert.equal(answer.status, 200)
      assert.deepEqual(await answer.json(), { hello: 'owl', by: method.toLowerCase() })
    }
    assert.equal((await fetch(`${gwApiUrl}/nothing`)).status, 404)
  })

  test('is listed and deleted, one method or all', async () => {
    const { ow } = it
    const listed = await ow.routes.list()
    assert.deepEqual(listed.apis.map(({ value }) => value.apidoc.basePath), ['/shop'])
    await ow.routes.delete({ basepath: '/shop', relpath: '/book/{name}', operation: 'PUT' })
    const { gwApiUrl, apidoc } = await address('/shop')
    assert.ok(!('put' in apidoc.paths['/book/{name}']))
    assert.notEqual((await fetch(`${gwApiUrl}/book/owl`, { method: 'PUT' })).status, 200)
    assert.equal((await fetch(`${gwApiUrl}/book/owl`)).status, 200)
    await ow.routes.delete({ basepath: '/shop' })
    assert.deepEqual((await ow.routes.list()).apis, [])
    assert.equal((await fetch(`${gwApiUrl}/book/owl`)).status, 404)
  })

  test('comes from a Swagger document too', async () => {
    const { ow, daemon } = it
    const url = `${daemon.apihost}/api/v1/web/guest/default/page.json`
    const swagger = JSON.stringify({
      swagger: '2.0',
      basePath: '/imported',
      info: { title: 'imported', version: '1.0.0' },
      paths: {
        '/page': {
          get: {
            operationId: 'getPage',
            'x-openwhisk': { action: 'page', namespace: 'guest', package: 'default', url },
            responses: { default: { description: 'what the action gives' } }
          }
        }
      }
    })
    await ow.routes.create({ swagger })
    const { gwApiUrl } = await address('/imported')
    const answer = await fetch(`${gwApiUrl}/page?name=reader`)
    assert.equal(answer.status, 200)
    assert.deepEqual((await answer.json()).body, { hello: 'reader', by: 'get' })
  })

  test('of a missing base path is not there to be deleted', async () => {
    await assert.rejects(it.ow.routes.delete({ basepath: '/none' }))
    await refused(it.ow.actions.get({ name: 'none' }), 404)
  })
})
