// Schemathesis against the real daemon: requests made from the documents that it serves about its
// API, and each answer held against them.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ECHO, setUp } from '../client/setup.js'

const program = process.env.OWL_TEST_SCHEMATHESIS
if (!program) throw new Error('OWL_TEST_SCHEMATHESIS is not set: tests/README.md says how to run this test by hand')

// What a Docker Engine adds is tested elsewhere: here each kind that may be made can be run.
const it = setUp({ DOCKER_HOST: 'none' })
const LIMITS = ['invocationsPerMinute=1000000', 'concurrentInvocations=10000', 'firesPerMinute=1000000', 'allowedKinds=quickjs:1,sequence']
const UNKNOWN = '0'.repeat(32)

/** Runs it with the document at a path of the daemon, and expects no failure. */
async function holds (document, key, activations, ...options) {
  const folder = await mkdtemp(join(it.daemon.folder, 'schemathesis-'))
  const config = join(folder, 'schemathesis.toml')
  await copyFile(new URL('schemathesis.toml', import.meta.url), config)
  await writeFile(join(folder, 'activations'), activations.map(id => `"${id}"\n`).join(''))
  const child = spawn(program, [
    '--no-color', '--config-file', config, 'run', it.daemon.apihost + document, '--auth', key, ...options
  ], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  const text = []
  child.stdout.on('data', piece => text.push(piece))
  const [code] = await once(child, 'close')
  assert.equal(code, 0, Buffer.concat(text).toString())
  console.log(/^Test cases:\n.*$/m.exec(Buffer.concat(text))?.[0])
}

test('the API answers as its description says', { timeout: 300_000 }, async () => {
  const key = it.daemon.createKey('generated', ...LIMITS)
  const own = it.client(key)
  await own.packages.create({ name: 'package', package: { publish: true } })
  await own.packages.create({ name: 'binding', package: { binding: { namespace: '_', name: 'package' } } })
  await own.actions.create({ name: 'echo', action: ECHO, kind: 'quickjs:1' })
  await own.actions.create({ name: 'fails', action: 'function main () { throw new Error("on purpose") }', kind: 'quickjs:1' })
  await own.actions.create({ name: 'package/echo', action: ECHO, kind: 'quickjs:1' })
  await own.actions.create({ name: 'sequence', sequence: ['/_/echo', '/_/package/echo'] })
  const page = { exec: { kind: 'quickjs:1', code: 'function main ({ html }) { return { html, body: "text" } }' } }
  await it.ow.actions.create({ name: 'page', action: { ...page, annotations: [{ key: 'web-export', value: true }] } })
  await own.triggers.create({ name: 'trigger' })
  await own.triggers.create({ name: 'alone' })
  await own.rules.create({ name: 'rule', trigger: 'trigger', action: 'echo' })
  const { activationId } = await own.actions.invoke({ name: 'echo', blocking: true })
  await holds('/api/v1/api-docs', key, [activationId, UNKNOWN])
  assert.deepEqual(await own.actions.invoke({ name: 'package/echo', blocking: true, result: true, params: { still: 'here' } }), { still: 'here' })
})

test('the server answers as its description says', { timeout: 300_000 }, async () => {
  // These routes have no parameters that could be made up.
  await holds('/api-docs', it.daemon.createKey('other', ...LIMITS), [UNKNOWN], '--phases', 'coverage')
})
