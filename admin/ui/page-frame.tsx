import { createContext } from 'react'

/** What the server knows of the page around the app: the policy's nonce, and the subresource integrity of each asset by its path. */
export type Frame = { nonce: string; integrity: Record<string, string> }

export const PageFrame = createContext<Frame>({ nonce: '', integrity: {} })
