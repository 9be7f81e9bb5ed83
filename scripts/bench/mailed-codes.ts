import { Agent, request, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { latency, median, type Figure } from './figures.ts'

const password = 'correct horse battery staple 7'
const rounds = 4

type Sent = { flowId: string; took: number }
type Post = (path: string, body: object) => Promise<Sent>

/** Whether the time of what ends in a mailed code tells known addresses from unknown (control A7). The two take turns, so that both meet the same machine. */
export async function benchMailedCodes(baseUrl: string, known: readonly string[], report: (line: string) => void): Promise<Figure[]> {
  using client = connect(baseUrl)
  const { post } = client
  const asks: Record<string, (email: string) => Promise<number>> = {
    'sign-up': async (email) => (await post('sign-up', { email, password })).took,
    'forgot-password': async (email) => (await post('forgot-password', { email })).took,
    'resend-code': async (email) => (await post('resend-code', { flowId: (await post('forgot-password', { email })).flowId })).took,
  }
  const figures: Figure[] = []
  for (const [what, ask] of Object.entries(asks)) {
    const [ofKnown, ofUnknown]: [number[], number[]] = [[], []]
    for (let round = 0; round < rounds; round += 1) {
      for (const [i, email] of known.entries()) {
        const knownOne = async () => ofKnown.push(await ask(email))
        const unknownOne = async () => ofUnknown.push(await ask(`un${email}`))
        // neither is always the first
        for (const turn of (i + round) % 2 ? [knownOne, unknownOne] : [unknownOne, knownOne]) await turn()
      }
    }
    report(`${what}: known addresses ${latency(ofKnown)}; unknown ${latency(ofUnknown)}`)
    figures.push({ what: `${what}, known address`, value: latency(ofKnown), beside: `unknown address: ${latency(ofUnknown)}`, ratio: (median(ofKnown) / median(ofUnknown)).toFixed(2) })
  }
  return figures
}

/** Posts over one kept connection. @throws Error for anything but 202 */
function connect(baseUrl: string): { post: Post } & Disposable {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const post: Post = async (path, given) => {
    const body = JSON.stringify(given)
    const start = performance.now()
    const sent = request(`${baseUrl}/api/v1/auth/${path}`, { agent, method: 'POST', headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } })
    sent.end(body)
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    const received = await text(answer)
    const took = performance.now() - start
    if (answer.statusCode !== 202) throw new Error(`${path} answered ${answer.statusCode} ${received}`)
    return { flowId: (JSON.parse(received) as { flowId: string }).flowId, took }
  }
  return { post, [Symbol.dispose]: () => agent.destroy() }
}
