import { PassThrough } from 'node:stream'
import { createReadableStreamFromReadable, type HandleDocumentRequestFunction, type HandleErrorFunction } from '@remix-run/node'
import { RemixServer } from '@remix-run/react'
import { renderToPipeableStream } from 'react-dom/server'
import { PageFrame } from './ui/page-frame.tsx'

/** A page is sent when it is whole: nothing here is slow enough to stream, and a fault halfway can still be a proper error page. */
const handleDocument: HandleDocumentRequestFunction = (request, status, headers, remix, { cspNonce: nonce, integrity, report }) =>
  new Promise((resolve, reject) => {
    let fault = false
    const { pipe, abort } = renderToPipeableStream(
      <PageFrame.Provider value={{ nonce, integrity }}>
        <RemixServer context={remix} url={request.url} nonce={nonce} />
      </PageFrame.Provider>,
      {
        nonce,
        onAllReady() {
          const body = new PassThrough()
          headers.set('content-type', 'text/html; charset=utf-8')
          resolve(new Response(createReadableStreamFromReadable(body), { headers, status: fault ? 500 : status }))
          pipe(body)
        },
        onShellError: reject,
        onError(error) {
          if (request.signal.aborted) return
          fault = true
          report(error)
        },
      },
    )
    request.signal.addEventListener('abort', () => abort(request.signal.reason), { once: true })
  })

export default handleDocument

/** Faults that no route caught; the guard of routes has reported the others. */
export const handleError: HandleErrorFunction = (error, { request, context }) => {
  if (!request.signal.aborted) context.report(error)
}
