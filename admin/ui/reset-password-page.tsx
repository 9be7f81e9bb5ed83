import { Form, Link } from '@remix-run/react'
import type { Problem } from '../load-context.ts'
import { leadingTo } from '../return-to.ts'
import { Button } from './button.tsx'
import { CodeSentAgain } from './code-sent-again.tsx'
import { Csrf } from './csrf.tsx'
import { Entrance } from './entrance.tsx'
import { errorOf, TextField } from './field.tsx'
import { NewPasswordField } from './new-password-field.tsx'
import { Notice } from './notice.tsx'
import { PageScript } from './page-script.tsx'

type Props = {
  reset: { flowId: string; email: string; next: string }
  /** Another code was asked for. */
  again?: boolean
  /** As it was typed: a refused password takes no try of it, so it need not be typed again. */
  code?: string
  problem?: Problem | null
}

/** The second page of a forgotten password: the same whether the address has an account or not (control A7). */
export function ResetPasswordPage({ reset: { flowId, email, next }, again = false, code = '', problem = null }: Props) {
  const wrong = problem?.code === 'code_invalid'
  const codeError = wrong ? 'is wrong, used or too old' : errorOf(problem, 'code')
  const weak = errorOf(problem, 'newPassword')
  const hidden = (
    <>
      <Csrf />
      <input type="hidden" name="next" value={next} />
      <input type="hidden" name="flowId" value={flowId} />
      {/* no hidden type: password managers learn from it whose password it is */}
      <input type="email" name="email" autoComplete="username" value={email} readOnly hidden />
    </>
  )
  return (
    <Entrance
      title="Choose a new password"
      lead={
        <>
          A mail with a code of 8 digits is on its way to <bdi className="font-semibold text-ink">{email}</bdi>, if there is an account with that address. The code is good for a quarter of an hour.
        </>
      }
    >
      {problem && <Notice tone="bad" title={codeError || weak ? 'Look at the marked fields.' : problem.detail} />}
      {again && <CodeSentAgain />}
      <Form method="post" action="/reset-password" reloadDocument className="grid gap-4">
        {hidden}
        <TextField label="Code" name="code" inputMode="numeric" autoComplete="one-time-code" required maxLength={12} autoFocus={!weak || Boolean(codeError)} defaultValue={wrong ? '' : code} error={codeError} />
        <NewPasswordField autoFocus={Boolean(weak) && !codeError} error={weak} />
        <Button type="submit" look="primary">
          Set the new password
        </Button>
      </Form>
      <div className="grid justify-items-start gap-3 border-t border-line pt-4">
        <Form method="post" action="/reset-password" reloadDocument>
          {hidden}
          <Button type="submit" name="intent" value="resend">
            Send another code
          </Button>
        </Form>
        <p className="text-sm text-faint">
          <Link to={leadingTo('/forgot-password', next)} className="underline underline-offset-4 hover:text-ink">
            Begin again, or with another address
          </Link>
        </p>
      </div>
      <PageScript />
    </Entrance>
  )
}
