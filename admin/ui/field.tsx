import { useId, type ComponentProps, type ReactNode } from 'react'
import type { Problem } from '../load-context.ts'

const box =
  'w-full rounded-md border border-edge bg-surface px-3 py-1.5 text-[1rem] leading-6 text-ink placeholder:text-faint aria-invalid:border-bad sm:text-sm'

type Common = { label: string; hint?: ReactNode; error?: string | undefined; optional?: boolean }

/** What a problem says of one field: all of it, since each reason is one to mend. */
export const errorOf = (problem: Problem | null | undefined, name: string): string | undefined =>
  problem?.errors
    ?.filter(({ path }) => path === name)
    .map(({ message }) => message)
    .join(', and ') || undefined

export function TextField({ label, hint, error, optional, ...input }: Common & Omit<ComponentProps<'input'>, 'className' | 'style' | 'id'>) {
  return (
    <Labelled label={label} hint={hint} error={error} optional={optional}>
      {(given) => <input {...input} {...given} className={`${box} min-h-9`} />}
    </Labelled>
  )
}

export function TextArea({ label, hint, error, optional, ...input }: Common & Omit<ComponentProps<'textarea'>, 'className' | 'style' | 'id'>) {
  return (
    <Labelled label={label} hint={hint} error={error} optional={optional}>
      {(given) => <textarea {...input} {...given} className={`${box} min-h-16 resize-y`} />}
    </Labelled>
  )
}

type Choices = { choices: readonly { value: string; label: string }[]; placeholder?: string }

export function Select({ label, hint, error, optional, choices, placeholder, ...input }: Common & Choices & Omit<ComponentProps<'select'>, 'className' | 'style' | 'id'>) {
  return (
    <Labelled label={label} hint={hint} error={error} optional={optional}>
      {(given) => (
        <select {...input} {...given} className={`${box} min-h-9`}>
          {placeholder !== undefined && <option value="">{placeholder}</option>}
          {choices.map(({ value, label: text }) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Labelled>
  )
}

type Given = { id: string; 'aria-describedby': string | undefined; 'aria-invalid': true | undefined }

function Labelled({ label, hint, error, optional, children }: Common & { children: (given: Given) => ReactNode }) {
  const id = useId()
  const described = [hint ? `${id}-hint` : '', error ? `${id}-error` : ''].filter(Boolean).join(' ')
  return (
    <div className="grid gap-1">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
        {optional && <span className="font-normal text-faint"> (optional)</span>}
      </label>
      {children({ id, 'aria-describedby': described || undefined, 'aria-invalid': error ? true : undefined })}
      {hint && (
        <p id={`${id}-hint`} className="text-sm text-faint">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className="text-sm font-medium text-bad">
          {/^[a-z]/.test(error) ? `${label} ${error}.` : error}
        </p>
      )}
    </div>
  )
}
