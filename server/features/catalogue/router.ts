import { browse, open, rest, router } from '../../kit/procedure.ts'
import { latestTorrents, listCategories, torrentDetails } from './catalogue.ts'
import { CategoryList, LatestQuery, SearchQuery, TorrentDetails, TorrentPage, TorrentRef } from './contract.ts'
import { searchTorrents } from './search.ts'

export const catalogueRouter = router({
  categories: open.meta(rest('GET /categories', 'listCategories', 'Catalogue', 'The categories of titles'))
    .output(CategoryList)
    .query(({ ctx }) => listCategories(ctx)),
  latest: browse.meta(rest('GET /torrents/latest', 'listLatestTorrents', 'Catalogue', 'Approved titles, the newest first'))
    .input(LatestQuery).output(TorrentPage)
    .query(({ ctx, input }) => latestTorrents(ctx, input)),
  search: browse.meta({ limit: 'search', ...rest('GET /torrents/search', 'searchTorrents', 'Catalogue', 'Search approved titles') })
    .input(SearchQuery).output(TorrentPage)
    .query(({ ctx, input }) => searchTorrents(ctx, input)),
  details: browse.meta(rest('GET /torrents/{torrentId}', 'getTorrent', 'Catalogue', 'An approved title with its files'))
    .input(TorrentRef).output(TorrentDetails)
    .query(({ ctx, input }) => torrentDetails(ctx, input)),
})
