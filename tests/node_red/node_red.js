// Starts a real Node-RED without its editor, with a folder of its own on a free port.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('node_modules/node-red/red.js', import.meta.url))

/** Nothing that asks for anything outside of this machine. */
const SETTINGS = `module.exports = {
  uiHost: '127.0.0.1',
  uiPort: 0,
  flowFile: 'flows.json',
  credentialSecret: 'of these tests only',
  disableEditor: true,
  telemetry: { enabled: false, updateNotification: false },
  externalModules: { palette: { allowInstall: false, allowUpload: false }, modules: { allowInstall: false } }
}`

export class NodeRed {
  /** Starts it and waits, at most 60 s, until it serves. */
  static async start () {
    const it = new NodeRed()
    it.folder = await mkdtemp(join(tmpdir(), 'owl-node-red-'))
    const settings = join(it.folder, 'settings.js')
    await writeFile(settings, SETTINGS)
    it.child = spawn(process.execPath, [PROGRAM, '--settings', settings, '--userDir', it.folder], {
      env: { PATH: process.env.PATH, HOME: it.folder },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    it.log = []
    await new Promise((resolve, reject) => {
      const failed = why => reject(new Error(`${why}:\n${it.log.join('\n')}`))
      const late = setTimeout(() => failed('Node-RED is not up after 60 s'), 60_000)
      for (const stream of [it.child.stdout, it.child.stderr]) {
        createInterface({ input: stream }).on('line', line => {
          it.log.push(line)
          it.url ??= /Server now running at (http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1]
          if (it.url && it.started() > 0) { clearTimeout(late); resolve() }
        })
      }
      it.child.once('exit', code => { clearTimeout(late); failed(`Node-RED ended with ${code}`) })
    })
    return it
  }

  /** How often flows were started; at first there are none in them. */
  started () {
    return this.log.filter(line => line.includes('Started flows')).length
  }

  /** Replaces all flows through the admin API, and waits, at most 30 s, until they run. */
  async deploy (flows, credentials) {
    const before = this.started()
    const response = await fetch(`${this.url}/flows`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'node-red-api-version': 'v2', 'node-red-deployment-type': 'full' },
      body: JSON.stringify({ flows, credentials })
    })
    if (!response.ok) throw new Error(`the flows were refused with ${response.status}: ${await response.text()}`)
    // The answer comes before the flows run.
    for (let left = 300; this.started() === before; left--) {
      if (left === 0) throw new Error(`the flows did not start:\n${this.log.join('\n')}`)
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }

  async stop () {
    const ended = once(this.child, 'exit')
    if (this.child.exitCode === null) {
      this.child.kill('SIGTERM')
      await ended
    }
    await rm(this.folder, { recursive: true, force: true })
  }
}
