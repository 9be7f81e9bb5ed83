import { TextField } from './field.tsx'

type Props = { label?: string; name?: string; error: string | undefined; autoFocus?: boolean }

/** A password to be chosen. The server judges it, and `error` tells all its reasons (control A5). */
export function NewPasswordField({ label = 'New password', name = 'newPassword', error, autoFocus }: Props) {
  return (
    <TextField
      label={label}
      name={name}
      type="password"
      autoComplete="new-password"
      required
      minLength={12}
      maxLength={128}
      autoFocus={autoFocus}
      hint="12 characters or more, and hard to guess. Any characters will do, pasted ones too."
      error={error}
    />
  )
}
