import type { ComponentProps } from 'react'

const looks = {
  primary: 'bg-accent text-on-accent hover:bg-accent-strong',
  plain: 'border border-edge bg-surface text-ink hover:bg-sunken',
  danger: 'border border-bad bg-surface text-bad hover:bg-bad-soft',
  quiet: 'text-faint hover:bg-sunken hover:text-ink',
} as const

export type ButtonLook = keyof typeof looks

/** The look of a button, also for a link or a summary that acts as one. 36 px high, so that thumbs find it. */
export const buttonLook = (look: ButtonLook, more = ''): string =>
  `inline-flex min-h-9 cursor-pointer select-none items-center justify-center gap-1.5 rounded-md px-3.5 py-1.5 text-sm font-medium transition-colors disabled:cursor-default disabled:opacity-55 ${looks[look]} ${more}`

type Props = Omit<ComponentProps<'button'>, 'className' | 'style'> & { look?: ButtonLook; pending?: boolean; pendingText?: string }

/** `pending`: what it does is under way. It stays focusable, so that a keyboard does not lose its place. */
export function Button({ look = 'plain', pending = false, pendingText, children, ...props }: Props) {
  return (
    // while pending it shows another text, which a label would contradict (WCAG 2.5.3)
    <button {...props} aria-label={pending && pendingText ? undefined : props['aria-label']} aria-disabled={pending || undefined} className={buttonLook(look, pending ? 'opacity-55' : '')}>
      {pending ? (pendingText ?? children) : children}
    </button>
  )
}
