import { useContext } from 'react'
import script from '../page-script.ts?worker&url'
import { PageFrame } from './page-frame.tsx'

/** The one script of pages that are not hydrated (admin/page-script.ts), bundled into a file of its own. */
export function PageScript() {
  const { nonce, integrity } = useContext(PageFrame)
  return <script defer src={script} nonce={nonce} integrity={integrity[script]} />
}
