import { open, rest, router } from '../../kit/procedure.ts'
import { ServerInfo } from './contract.ts'
import { serverInfo } from './server-info.ts'

export const serverInfoRouter = router({
  info: open.meta(rest('GET /server', 'getServer', 'Server', 'What this server is and allows'))
    .output(ServerInfo)
    .query(({ ctx }) => serverInfo(ctx)),
})
