import { Scripts } from '@remix-run/react'
import { Children, cloneElement, Fragment, isValidElement, type ReactNode } from 'react'
import type { Frame } from './page-frame.tsx'

type Linked = { children?: ReactNode; href?: string; nonce?: string; integrity?: string | undefined; suppressHydrationWarning?: boolean }

/**
 * Remix's scripts, with nonce and integrity on their `modulepreload` links: Remix sets the nonce on scripts only, and a
 * browser takes a preload without it for a breach of the page's policy, and fetches one without integrity again.
 * Called, not rendered, because what it makes has to be changed.
 */
export function PageScripts(frame: Frame) {
  return <>{vouched(Scripts({ nonce: frame.nonce }), frame)}</>
}

function vouched(node: ReactNode, frame: Frame): ReactNode {
  return Children.map(node, (child) => {
    if (!isValidElement<Linked>(child)) return child
    if (child.type === 'link') return cloneElement(child, { nonce: frame.nonce, integrity: frame.integrity[child.props.href ?? ''], suppressHydrationWarning: true })
    return child.type === Fragment ? cloneElement(child, {}, vouched(child.props.children, frame)) : child
  })
}
