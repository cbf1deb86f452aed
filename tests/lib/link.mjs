#!/usr/bin/env node
// A way between two programs that can be cut.
//
//   node tests/lib/link.mjs http://127.0.0.1:3000
//
// prints the URL of its near end, and obeys the words `cut` and `restore` on its standard input:
// it repeats each when it is done.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** Carries connections to a server until it is cut: then those that are open break, and new ones are refused. */
export class Link {
  open = new Set()
  port = 0

  /** A link to the server of a URL. */
  static async to (url) {
    const link = new Link()
    const { hostname: host, port } = new URL(url)
    link.far = { host, port: Number(port), noDelay: true }
    await link.restore()
    return link
  }

  /** The URL of its near end, which stays the same. */
  get url () {
    return `http://127.0.0.1:${this.port}`
  }

  async cut () {
    const closed = once(this.server, 'close')
    this.server.close()
    for (const stream of this.open) stream.destroy()
    await closed
  }

  async restore () {
    this.server = createServer({ noDelay: true }, near => this.#carry(near)).listen(this.port, '127.0.0.1')
    await once(this.server, 'listening')
    this.port = this.server.address().port
  }

  #carry (near) {
    const far = connect(this.far)
    for (const [from, to] of [[near, far], [far, near]]) {
      this.open.add(from)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.open.delete(from)
        to.end()
      })
      from.pipe(to)
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const link = await Link.to(process.argv[2])
  console.log(link.url)
  for await (const word of createInterface({ input: process.stdin })) {
    if (word === 'cut') await link.cut()
    else if (word === 'restore') await link.restore()
    else continue
    console.log(word)
  }
  // Nobody can ask for anything any more.
  process.exit()
}
