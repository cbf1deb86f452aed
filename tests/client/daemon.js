// Starts the real `owl serve` with a temporary store on a free port.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** OpenWhisk's public development key of the namespace `guest`. */
export const GUEST =
  '23bc46b1-71f6-4ed5-8c54-816aa4f8c502:123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP'

/** The value of an environment variable that tests/run sets; without it there is nothing to test. */
function required (name) {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: tests/README.md says how to run this test by hand`)
  return value
}

export class Daemon {
  /** Starts a daemon, with more or other settings if given, and waits, at most 30 s, until it says where it listens. */
  static async start (settings = {}) {
    const daemon = new Daemon()
    daemon.folder = await mkdtemp(join(tmpdir(), 'owl-client-'))
    daemon.child = spawn(required('OWL_TEST_BINARY'), ['serve', '--port', '0', '--data-dir', daemon.folder], {
      env: {
        PATH: process.env.PATH,
        HOME: daemon.folder,
        DOCKER_HOST: required('OWL_TEST_DOCKER_HOST'),
        OWL_RUNTIMES: required('OWL_TEST_RUNTIMES'),
        OWL_INVOCATIONS_PER_MINUTE: '10000',
        ...settings
      },
      stdio: ['ignore', 'ignore', 'pipe']
    })
    daemon.log = []
    daemon.apihost = await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('the daemon is not up after 30 s')), 30_000)
      createInterface({ input: daemon.child.stderr }).on('line', line => {
        daemon.log.push(line)
        const address = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(line)
        if (address) { clearTimeout(late); resolve(address[1]) }
      })
      daemon.child.once('exit', code => {
        clearTimeout(late)
        reject(new Error(`the daemon ended with ${code}:\n${daemon.log.join('\n')}`))
      })
    })
    return daemon
  }

  /** Runs `owl key` on the daemon's store, and returns what it says. */
  key (...words) {
    const command = ['key', '--data-dir', this.folder, ...words]
    return execFileSync(required('OWL_TEST_BINARY'), command, { encoding: 'utf8' }).trim()
  }

  /** Makes a namespace with limits such as `invocationsPerMinute=600`, and returns its `uuid:key`. */
  createKey (namespace, ...limits) {
    const key = this.key('create', namespace)
    if (limits.length > 0) this.key('limits', 'set', namespace, ...limits)
    return key
  }

  /** Lets it answer nobody until `resume`: connections to it are made, and stay silent. */
  pause () {
    this.child.kill('SIGSTOP')
  }

  resume () {
    this.child.kill('SIGCONT')
  }

  /** Stops the daemon and returns its exit code. */
  async stop () {
    const ended = once(this.child, 'exit')
    this.resume()
    if (this.child.exitCode === null) this.child.kill('SIGTERM')
    const code = this.child.exitCode ?? (await ended)[0]
    await rm(this.folder, { recursive: true, force: true })
    return code
  }
}
