// A small action proxy in plain node: it stands for images whose proxy is not OWL's own.
//
// It follows the action container protocol as the public node runtimes do: keep-alive,
// Content-Length, 403 for a second /init, 502 for results that are no object or array.
'use strict'

const http = require('node:http')
const vm = require('node:vm')

const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n'
let main = null

function endOfLogs () {
  process.stdout.write(SENTINEL)
  process.stderr.write(SENTINEL)
}

function init ({ value = {} }) {
  if (main) return [403, { error: 'Cannot initialize the action more than once.' }]
  if (value.binary) return [502, { error: 'This proxy runs plain source only.' }]
  Object.assign(process.env, value.env)
  const module = { exports: {} }
  try {
    const name = value.main || 'main'
    const source = `(function (exports, module, require) { ${value.code}\n` +
      `return typeof ${name} === 'function' ? ${name} : module.exports[${JSON.stringify(name)}] })`
    main = vm.runInThisContext(source, { filename: 'action.js' })(module.exports, module, require)
    if (typeof main !== 'function') throw new Error(`Action entrypoint '${name}' is not a function.`)
    return [200, { OK: true }]
  } catch (error) {
    main = null
    console.error(error.stack)
    endOfLogs()
    return [502, { error: `Initialization has failed due to: ${error.message}` }]
  }
}

async function run ({ value = {}, ...rest }) {
  if (!main) return [502, { error: 'System not ready, status is uninitialized.' }]
  for (const [key, text] of Object.entries(rest)) process.env[`__OW_${key.toUpperCase()}`] = text
  try {
    const pending = main(value)
    let result
    try {
      result = await pending
    } catch (error) {
      // A promise that the action rejects is its own error, not a failure.
      return [200, { error: error instanceof Error ? error.message : error ?? {} }]
    }
    if (result === undefined) return [200, {}]
    if (result === null || typeof result !== 'object') {
      return [502, { error: 'The action did not return a dictionary or array.' }]
    }
    return [200, result]
  } catch (error) {
    console.error(error?.stack ?? error)
    return [502, { error: `An error has occurred: ${error?.message ?? error}` }]
  } finally {
    endOfLogs()
  }
}

http.createServer((request, response) => {
  const pieces = []
  request.on('data', piece => pieces.push(piece))
  request.on('end', async () => {
    const body = JSON.parse(Buffer.concat(pieces).toString() || '{}')
    const answer = { '/init': init, '/run': run }[request.url] ?? (() => [404, { error: 'not found' }])
    const [status, value] = await answer(body)
    const text = Buffer.from(JSON.stringify(value))
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': text.length })
    response.end(text)
  })
}).listen(Number(process.env.PORT ?? 8080), '0.0.0.0')

// As the first process of a container, node would otherwise ignore SIGTERM.
process.on('SIGTERM', () => process.exit(0))
