import { Form } from '@remix-run/react'
import type { ReactNode } from 'react'
import { Button, type ButtonLook } from './button.tsx'

type Props = { kind: 'create' | 'get'; action: string; options: string; button: string; look?: ButtonLook; start?: boolean; children: ReactNode }

/**
 * A form that the page's script fills with what the browser's authenticator answers (admin/page-script.ts), and sends.
 * `start`: asks at once, for who came here by a button that said so.
 */
export function PasskeyForm({ kind, action, options, button, look = 'primary', start = false, children }: Props) {
  return (
    <Form method="post" action={action} reloadDocument data-passkey={kind} data-options={options} data-start={start || undefined} className="grid gap-3">
      {children}
      <input type="hidden" name="credential" />
      <p role="alert" data-problem className="text-sm font-medium text-bad empty:hidden" />
      <p className="hidden text-sm font-medium text-warn noscript:block">Passkeys need JavaScript, and this browser has it switched off.</p>
      <Button type="submit" look={look}>
        {button}
      </Button>
    </Form>
  )
}
