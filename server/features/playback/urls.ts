import type { Deps } from '../../kit/context.ts'
import { ticketFor, type Ticket } from './tickets.ts'

type UrlDeps = Pick<Deps, 'keys' | 'publicUrl'>

// The addresses that need no header: the ticket in them is the permission.
export const streamUrl = (deps: UrlDeps, ticket: Ticket, path: string): string => `${base(deps)}/stream/${ticketFor(deps.keys, ticket)}/${safeFileName(path)}`
export const playlistUrl = (deps: UrlDeps, ticket: Ticket): string => `${base(deps)}/playlist/${ticketFor(deps.keys, ticket)}.m3u`
export const subtitlesUrl = (deps: UrlDeps, ticket: Ticket, fileIndex: number): string => `${base(deps)}/subtitles/${ticketFor(deps.keys, ticket)}/${fileIndex}.vtt`

const base = ({ publicUrl }: UrlDeps): string => `${publicUrl()}/api/v1`

/** The last part of a path as URLs and headers bear it: what a player shows and takes the type from. */
export function safeFileName(path: string): string {
  const name = (path.split('/').at(-1) ?? '').normalize('NFKD').replace(/[^\w.-]+/g, '_')
  const [stem, extension] = [name.replace(/\.[^.]*$/, ''), /\.(\w{1,10})$/.exec(name)?.[1]]
  return (stem.slice(0, 80) || 'file') + (extension ? `.${extension}` : '')
}
