import { can, rest, router } from '../../kit/procedure.ts'
import { TorrentRef } from '../catalogue/contract.ts'
import { AdminTorrent, AdminTorrentDetails, AdminTorrentPage, Approval, QueueQuery, Refusal } from './contract.ts'
import { approveTorrent, rejectTorrent, takeDownTorrent } from './decisions.ts'
import { adminTorrent, listByState } from './queue.ts'

export const moderationRouter = router({
  list: can('torrent.moderate').meta(rest('GET /admin/torrents', 'listAdminTorrents', 'Moderation', 'Titles in a state, the oldest first'))
    .input(QueueQuery).output(AdminTorrentPage)
    .query(({ ctx, input }) => listByState(ctx, input)),
  details: can('torrent.moderate').meta(rest('GET /admin/torrents/{torrentId}', 'getAdminTorrent', 'Moderation', 'A title in any state'))
    .input(TorrentRef).output(AdminTorrentDetails)
    .query(({ ctx, input }) => adminTorrent(ctx, input)),
  approve: can('torrent.moderate').meta(rest('POST /admin/torrents/{torrentId}/approve', 'approveTorrent', 'Moderation', 'Let viewers find and play a pending title'))
    .input(Approval).output(AdminTorrent)
    .mutation(({ ctx, input }) => approveTorrent(ctx, input)),
  reject: can('torrent.moderate').meta(rest('POST /admin/torrents/{torrentId}/reject', 'rejectTorrent', 'Moderation', 'Refuse a pending title'))
    .input(Refusal).output(AdminTorrent)
    .mutation(({ ctx, input }) => rejectTorrent(ctx, input)),
  takeDown: can('torrent.moderate').meta(rest('POST /admin/torrents/{torrentId}/takedown', 'takeDownTorrent', 'Moderation', 'End a title, its streams and its data, for good'))
    .input(Refusal).output(AdminTorrent)
    .mutation(({ ctx, input }) => takeDownTorrent(ctx, input)),
})
