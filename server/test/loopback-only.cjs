/**
 * No connection beyond loopback: loaded by the test guards, and by every Node process a test starts (NODE_OPTIONS --require).
 * CommonJS, so that it loads before anything else on any Node, the bootstrap's old ones included.
 * A refused attempt fails like an unreachable network (ENETUNREACH) and is noted, one JSON line each, in the file that
 * LOOPBACK_ONLY_LOG names; the guards then fail the test in which it happened.
 */
'use strict'
const dgram = require('node:dgram')
const dns = require('node:dns')
const { appendFileSync } = require('node:fs')
const { syncBuiltinESMExports } = require('node:module')
const net = require('node:net')

const log = process.env.LOOPBACK_ONLY_LOG

/** Addresses only: a name is judged when it is looked up. 0.0.0.0 and :: reach this machine too, but no caller may mean that. */
const isLoopback = (/** @type {string} */ address) =>
  /^127\.\d+\.\d+\.\d+$/.test(address) || address === '::1' || /^::ffff:(127\.|7f[0-9a-f]{2}:)/i.test(address)

/** @param {string} what @param {Function} caller */
function refuse(what, caller) {
  const error = Object.assign(new Error(`Tests reach nothing beyond loopback: ${what}`), { code: 'ENETUNREACH' })
  Error.captureStackTrace(error, caller)
  if (log) appendFileSync(log, JSON.stringify({ what, pid: process.pid, stack: error.stack }) + '\n')
  return error
}

// net.connect, http, tls and fetch all end here; arguments are (options), (port, host), (path) or already normalised: ([options]).
const connect = net.Socket.prototype.connect
net.Socket.prototype.connect = function guardedConnect(...args) {
  const first = Array.isArray(args[0]) ? args[0][0] : args[0]
  const options = typeof first === 'object' && first !== null ? first : { port: first, host: args[1] }
  const host = typeof options.host === 'string' ? options.host : '127.0.0.1'
  const isPath = Boolean(options.path) || (typeof first === 'string' && !/^\d+$/.test(first))
  if (!isPath && net.isIP(host) && !isLoopback(host)) {
    const error = refuse(`TCP ${host}:${String(options.port)}`, guardedConnect)
    process.nextTick(() => this.destroy(error))
    return this
  }
  return connect.apply(this, args)
}

// send(msg, [offset, length,] port, address, callback): the address is the last string; without one Node means loopback.
for (const method of ['send', 'connect']) {
  const original = dgram.Socket.prototype[method]
  dgram.Socket.prototype[method] = function guardedDatagram(...args) {
    const address = args.slice(1).findLast?.((/** @type {unknown} */ arg) => typeof arg === 'string')
    if (address !== undefined && net.isIP(address) && !isLoopback(address)) {
      const error = refuse(`UDP ${address}`, guardedDatagram)
      const callback = args.at(-1)
      process.nextTick(() => (typeof callback === 'function' ? callback(error) : this.emit('error', error)))
      return
    }
    return original.apply(this, args)
  }
}

const isLocalName = (/** @type {unknown} */ name) =>
  !name || name === 'localhost' || (net.isIP(String(name)) !== 0 && isLoopback(String(name)))
// An address needs no look-up and sends nothing: judged when it is connected to. dgram looks up 0.0.0.0 merely to bind.
const asksNobody = (/** @type {unknown} */ name) => isLocalName(name) || net.isIP(String(name)) !== 0

for (const [asker, promised] of [[dns, false], [dns.promises, true], [dns.Resolver.prototype, false], [dns.promises.Resolver.prototype, true]]) {
  for (const method of Object.getOwnPropertyNames(asker).filter((name) => /^(lookup|resolve|reverse)/.test(name))) {
    const original = asker[method]
    asker[method] = function guardedLookup(...args) {
      if (method.startsWith('lookup') ? asksNobody(args[0]) : isLocalName(args[0])) return original.apply(this, args)
      const error = refuse(`DNS ${method} ${String(args[0])}`, guardedLookup)
      if (promised) return Promise.reject(error)
      const callback = args.at(-1)
      process.nextTick(() => callback(error))
      return {}
    }
  }
}
// `import { lookup } from 'node:dns'` sees the guarded one too.
syncBuiltinESMExports()
