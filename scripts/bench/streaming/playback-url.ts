import { PlaybackLink } from '../../../server/features/playback/contract.ts'
import type { Swarm } from '../../../server/test/swarm.ts'
import { PublicApi } from '../../demo/public-api.ts'
import { viewerToken, type BenchInstance } from '../accounts.ts'
import { offerSwarm } from '../offer.ts'

/** Makes a swarm a title, and gives the link by which a viewer plays its first file. `title` ends with a word of its own. */
export async function playbackUrl(bench: BenchInstance, swarm: Swarm, title: string): Promise<string> {
  const torrentId = await offerSwarm(bench, swarm, title)
  const token = await viewerToken(bench)
  return (await new PublicApi(bench.instance.baseUrl).call('POST', `/torrents/${torrentId}/files/0/playback`, { token, body: {}, answer: PlaybackLink, status: 201 })).url
}
