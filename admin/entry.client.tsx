import { RemixBrowser } from '@remix-run/react'
import { startTransition, StrictMode } from 'react'
import { hydrateRoot } from 'react-dom/client'
import { PageFrame, type Frame } from './ui/page-frame.tsx'

// Browsers hide nonces from scripts, and need them no more once the page stands. The rest is as the server rendered it.
const { integrity } = JSON.parse(document.querySelector('script[type=importmap]')?.textContent ?? '{"integrity":{}}') as Pick<Frame, 'integrity'>

startTransition(() => {
  hydrateRoot(
    document,
    <StrictMode>
      <PageFrame.Provider value={{ nonce: '', integrity }}>
        <RemixBrowser />
      </PageFrame.Provider>
    </StrictMode>,
  )
})
