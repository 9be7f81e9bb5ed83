/**
 * What a process holds, for whoever loads this before anything else (`--require`, with `--expose-gc`). At SIGUSR2 it collects all
 * garbage, and writes what is left to standard output as one line: `vitals {…}`. CommonJS, and beside what the engine's process
 * may read, as that one is looked into as well.
 */
'use strict'
const { EventEmitter } = require('node:events')
const { setImmediate: turn } = require('node:timers/promises')

/** What was made from now on, as long as it lives. */
class Living {
  /** @type {Set<WeakRef<object>>} */
  #made = new Set()
  /** When there are so many, those that are gone are taken off. */
  #most = 10_000

  add(/** @type {object} */ made) {
    this.#made.add(new WeakRef(made))
    if (this.#made.size < this.#most) return
    this.all()
    this.#most = 10_000 + 2 * this.#made.size
  }

  all() {
    const living = []
    for (const reference of this.#made) {
      const made = reference.deref()
      if (made) living.push(made)
      else this.#made.delete(reference)
    }
    return living
  }
}

const emitters = new Living()
const { init } = EventEmitter
EventEmitter.init = function trackedInit(...args) {
  init.apply(this, args)
  emitters.add(this)
}

/** Also those that do not keep the process alive, which Node counts nowhere. */
const timers = new Living()
for (const name of ['setTimeout', 'setInterval']) {
  const original = globalThis[name]
  const tracked = (...args) => {
    const timer = original(...args)
    timers.add(timer)
    return timer
  }
  // with what `util.promisify` looks for
  globalThis[name] = Object.defineProperties(tracked, Object.getOwnPropertyDescriptors(original))
}

/** What Node says of leaks, such as too many listeners of one event. */
/** @type {string[]} */
const warnings = []
process.on('warning', (warning) => {
  if (/^(MaxListenersExceeded|TimeoutOverflow|PromiseRejectionHandled)Warning$/.test(warning.name)) warnings.push(`${warning.name}: ${warning.message}`)
})

async function vitals() {
  for (let round = 0; round < 4; round += 1) {
    global.gc?.({ execution: 'sync', type: 'major', flavor: 'last-resort' })
    await turn() // what is finalised may let go of more
  }
  const kinds = {}
  let listeners = 0
  for (const emitter of emitters.all()) {
    const kind = emitter.constructor?.name || 'Object'
    kinds[kind] = (kinds[kind] ?? 0) + 1
    for (const event of emitter.eventNames()) listeners += emitter.listenerCount(event)
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  return { pid: process.pid, rssBytes: rss, heapBytes: heapUsed, externalBytes: external, emitters: kinds, listeners, timers: timers.all().filter(({ _destroyed }) => !_destroyed).length, warnings }
}

process.on('SIGUSR2', () => {
  vitals().then((all) => process.stdout.write(`vitals ${JSON.stringify(all)}\n`))
})
