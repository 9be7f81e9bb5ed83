import type { z } from 'zod'
import type { DecisionReason } from '../server/features/moderation/contract.ts'

type Reason = z.infer<typeof DecisionReason>

/** Why a title is rejected or taken down, as people read it. */
export const reasonNames: Record<Reason, string> = {
  rights: 'Infringes someone’s rights',
  illegal: 'Illegal content',
  malware: 'Malware',
  wrong_content: 'Not what it says it is',
  spam: 'Spam',
  other: 'Another reason',
}

export const reasonChoices = Object.entries(reasonNames).map(([value, label]) => ({ value, label }))

export const isReason = (value: string): value is Reason => Object.hasOwn(reasonNames, value)
