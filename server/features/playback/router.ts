import { z } from 'zod'
import { can, rest, router } from '../../kit/procedure.ts'
import { ActiveStreamPage, FileProgress, PlaybackLink, PlaybackTarget, ProgressQuery, StreamQuery, StreamRef } from './contract.ts'
import { startPlayback, startPreview } from './playback.ts'
import { fileProgress } from './progress.ts'
import { activeStreams, endStream } from './streams.ts'

export const playbackRouter = router({
  start: can('playback.start').meta({ limit: 'playback', ...rest('POST /torrents/{torrentId}/files/{fileIndex}/playback', 'startPlayback', 'Playback', 'A link that plays one file', 201) })
    .input(PlaybackTarget).output(PlaybackLink)
    .mutation(({ ctx, input }) => startPlayback(ctx, input)),
  preview: can('playback.preview').meta({ limit: 'playback', ...rest('POST /admin/torrents/{torrentId}/preview', 'previewTorrent', 'Moderation', 'A link that plays one file for staff, also before approval', 201) })
    .input(PlaybackTarget).output(PlaybackLink)
    .mutation(({ ctx, input }) => startPreview(ctx, input)),
  // over REST it is a stream of events (http/progress.ts)
  progress: can('playback.start').meta({ limit: 'playback' })
    .input(ProgressQuery).output(FileProgress)
    .query(({ ctx, input }) => fileProgress(ctx, input)),
  streams: can('stream.moderate').meta(rest('GET /admin/streams', 'listStreams', 'Moderation', 'What is watched now, on every node'))
    .input(StreamQuery).output(ActiveStreamPage)
    .query(({ ctx, input }) => activeStreams(ctx, input)),
  endStream: can('stream.moderate').meta(rest('DELETE /admin/streams/{streamId}', 'endStream', 'Moderation', 'End a stream and its link, within a second', 204))
    .input(StreamRef).output(z.void())
    .mutation(({ ctx, input }) => endStream(ctx, input)),
})
