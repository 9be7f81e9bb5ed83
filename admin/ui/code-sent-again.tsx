import { Notice } from './notice.tsx'

/** The same whatever became of it: whether a mail went out would tell of the address (control A7), and past the limit none does, nor is the code before it void. */
export const CodeSentAgain = () => <Notice tone="good" title="Another code is on its way, unless too many were sent already. Only the newest that you have is good." />
