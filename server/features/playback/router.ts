import { can, rest, router } from '../../kit/procedure.ts'
import { PlaybackLink, PlaybackTarget } from './contract.ts'
import { startPlayback, startPreview } from './playback.ts'

export const playbackRouter = router({
  start: can('playback.start').meta({ limit: 'playback', ...rest('POST /torrents/{torrentId}/files/{fileIndex}/playback', 'startPlayback', 'Playback', 'A link that plays one file', 201) })
    .input(PlaybackTarget).output(PlaybackLink)
    .mutation(({ ctx, input }) => startPlayback(ctx, input)),
  preview: can('playback.preview').meta({ limit: 'playback', ...rest('POST /admin/torrents/{torrentId}/preview', 'previewTorrent', 'Moderation', 'A link that plays one file for staff, also before approval', 201) })
    .input(PlaybackTarget).output(PlaybackLink)
    .mutation(({ ctx, input }) => startPreview(ctx, input)),
})
