export type Playable = 'direct' | 'external_player' | 'no'

const looks: Record<Playable, [name: string, look: string]> = {
  direct: ['Plays directly', 'bg-good-soft text-good'],
  external_player: ['External player', 'bg-sunken text-faint'],
  no: ['Does not play', 'bg-warn-soft text-warn'],
}

/** How a media file plays; of other files nobody asks. */
export function PlayableBadge({ playable, mimeType }: { playable: Playable; mimeType: string }) {
  if (!/^(audio|video)\//.test(mimeType)) return null
  const [name, look] = looks[playable]
  return <span className={`inline-flex items-center rounded-full px-2.5 py-0.5 text-xs font-semibold whitespace-nowrap ${look}`}>{name}</span>
}
