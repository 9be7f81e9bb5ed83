import icon from './icon.svg?url'

export function Brand() {
  return (
    <span className="inline-flex items-center gap-2.5 font-semibold tracking-tight">
      <img src={icon} alt="" width={26} height={26} />
      torrent-streamer
    </span>
  )
}
