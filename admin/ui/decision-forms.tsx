import { Form, useNavigation } from '@remix-run/react'
import type { KeyboardEvent, ReactNode } from 'react'
import type { Intent, Refused } from '../decide.ts'
import { reasonChoices } from '../reasons.ts'
import { Button, buttonLook } from './button.tsx'
import { Csrf } from './csrf.tsx'
import { errorOf, Select, TextArea } from './field.tsx'
import { Quoted } from './quoted.tsx'

type Target = { id: string; title: string }

/** Is a decision under way, and is it this one? */
function useDeciding(intent: Intent, { id }: Target): { pending: boolean; busy: boolean } {
  const { formData } = useNavigation()
  const busy = formData?.get('intent') !== undefined && formData.get('intent') !== 'preview'
  return { busy, pending: busy && formData?.get('intent') === intent && formData.get('torrentId') === id }
}

export function ApproveForm({ target, verified }: { target: Target; verified: boolean }) {
  const { pending, busy } = useDeciding('approve', target)
  if (!verified) return <p className="flex min-h-9 items-center pr-1 text-sm text-faint">Checking its files…</p>
  return (
    <Form method="post" preventScrollReset>
      <Csrf />
      <input type="hidden" name="torrentId" value={target.id} />
      <Button type="submit" name="intent" value="approve" look="primary" pending={pending} pendingText="Approving…" disabled={busy && !pending} aria-label={`Approve ${target.title}`}>
        Approve
      </Button>
    </Form>
  )
}

const words = {
  reject: { open: 'Reject…', submit: 'Reject title', pending: 'Rejecting…' },
  takedown: { open: 'Take down…', submit: 'Take down for good', pending: 'Taking down…' },
} as const

type RefuseProps = { intent: keyof typeof words; target: Target; refused: Refused | null; children?: ReactNode }

/** Refusing needs a reason. Folded away until asked for; it opens without scripts too. `floating`: over what follows, so that a list stays still. */
export function RefuseForm({ intent, target, refused, floating = false, children }: RefuseProps & { floating?: boolean }) {
  const mine = refused?.torrentId === target.id && refused.intent === intent ? refused : null
  const { open } = words[intent]
  return (
    <details name="refuse" className={`group/refuse max-sm:open:basis-full ${floating ? 'sm:relative' : 'open:basis-full'}`} open={Boolean(mine)} onKeyDown={closeOnEscape}>
      <summary className={buttonLook('plain', 'list-none group-open/refuse:bg-sunken')} aria-label={`${open.slice(0, -1)} ${target.title}`}>
        {open}
      </summary>
      <div className={floating ? 'mt-3 sm:absolute sm:top-full sm:right-0 sm:z-10 sm:mt-1.5 sm:w-96 sm:rounded-lg sm:border sm:border-edge/70 sm:bg-surface sm:p-4 sm:shadow-lg' : 'mt-3'}>
        <RefuseFields intent={intent} target={target} refused={mine}>
          {children}
        </RefuseFields>
      </div>
    </details>
  )
}

function closeOnEscape(event: KeyboardEvent<HTMLDetailsElement>) {
  if (event.key !== 'Escape') return
  event.currentTarget.open = false
  event.currentTarget.querySelector('summary')?.focus()
}

function RefuseFields({ intent, target, refused, children }: RefuseProps) {
  const { submit, pending: pendingText } = words[intent]
  const { pending, busy } = useDeciding(intent, target)
  const confirmError = errorOf(refused?.problem, 'confirm')
  return (
    <Form method="post" preventScrollReset className="grid max-w-xl gap-3">
      <Csrf />
      <input type="hidden" name="torrentId" value={target.id} />
      <input type="hidden" name="intent" value={intent} />
      {children}
      <Select label="Reason" name="reason" required placeholder="Choose a reason" choices={reasonChoices} defaultValue={refused?.reason ?? ''} error={errorOf(refused?.problem, 'reason')} />
      <TextArea label="Note" name="note" optional rows={2} maxLength={2000} hint="For staff; viewers never see it." defaultValue={refused?.note} error={errorOf(refused?.problem, 'note')} />
      {intent === 'takedown' && (
        <div className="grid gap-1">
          <label className="flex gap-2 text-sm">
            <input type="checkbox" name="confirm" value="yes" required className="mt-1 size-4 shrink-0" />
            <span>
              Yes, take down <Quoted>{target.title}</Quoted>. This cannot be undone.
            </span>
          </label>
          {confirmError && <p className="text-sm font-medium text-bad">{confirmError}</p>}
        </div>
      )}
      <div>
        <Button type="submit" look="danger" pending={pending} pendingText={pendingText} disabled={busy && !pending}>
          {submit}
        </Button>
      </div>
    </Form>
  )
}
