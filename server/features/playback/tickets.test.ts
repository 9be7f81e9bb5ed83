import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { readTicket, ticketFor, type Ticket } from './tickets.ts'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app[Symbol.asyncDispose]())

const tickets = fc.record<Ticket>({ linkId: fc.uuid(), fileIndex: fc.option(fc.nat(0xff_ff_ff_ff)) })

test('a ticket says what it was made for, in characters that need no escaping', () => {
  fc.assert(fc.property(tickets, (ticket) => {
    const text = ticketFor(app.deps.keys, ticket)
    expect(text).toMatch(/^[\w-]{43}$|^[\w-]{48}$/)
    expect(readTicket(app.deps.keys, text)).toEqual(ticket)
  }))
})

test('one that was cut, lengthened or altered in any character says nothing', () => {
  fc.assert(fc.property(tickets, fc.nat(47), fc.constantFrom('A', 'B', '_', '-', 'z', '0', '=', '.', ''), (ticket, at, other) => {
    const text = ticketFor(app.deps.keys, ticket)
    const altered = text.slice(0, at) + other + text.slice(at + 1)
    for (const bad of [altered, text.slice(0, at), text + other, other + text]) if (bad !== text) expect(readTicket(app.deps.keys, bad)).toBeNull()
  }))
})

test('of two tickets no part stands for the other: a file’s is not the link’s, nor another file’s', () => {
  const linkId = randomUUID()
  const [own, second, third] = [null, 1, 2].map((fileIndex) => Buffer.from(ticketFor(app.deps.keys, { linkId, fileIndex }), 'base64url'))
  if (!own || !second || !third) throw new Error('three were made')
  const mixed = [
    Buffer.concat([own.subarray(0, 16), second.subarray(20)]),
    Buffer.concat([second.subarray(0, 20), own.subarray(16)]),
    Buffer.concat([third.subarray(0, 20), second.subarray(20)]),
    second.subarray(0, 32),
    second.subarray(4),
  ]
  for (const raw of mixed) expect(readTicket(app.deps.keys, raw.toString('base64url'))).toBeNull()
})
