import { Form } from '@remix-run/react'
import { Button } from './button.tsx'
import { Csrf } from './csrf.tsx'
import { TextField } from './field.tsx'

/** Begins to add a passkey: what it shall be called. */
export function PasskeyNameForm({ next, error }: { next: string; error?: string | undefined }) {
  return (
    <Form method="post" action="/account/security/passkey" reloadDocument className="grid max-w-md gap-3">
      <Csrf />
      <input type="hidden" name="next" value={next} />
      <TextField label="Name of the passkey" name="name" required maxLength={80} placeholder="My phone" error={error} />
      <Button type="submit" name="intent" value="begin">
        Add a passkey
      </Button>
    </Form>
  )
}
