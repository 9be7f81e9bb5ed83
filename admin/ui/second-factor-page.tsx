import { Form, Link } from '@remix-run/react'
import type { Asked } from '../second-factor.ts'
import { Button } from './button.tsx'
import { Csrf } from './csrf.tsx'
import { Entrance } from './entrance.tsx'
import { TextField } from './field.tsx'
import { Folded } from './folded.tsx'
import { Notice } from './notice.tsx'
import { PageScript } from './page-script.tsx'
import { PasskeyForm } from './passkey-form.tsx'

type Props = { asked: Asked; next: string; refused?: string | null }

/** The second page of a sign-in. The authenticator app comes first where there is one; the other ways are folded below. */
export function SecondFactorPage({ asked, next, refused }: Props) {
  const { methods, passkeyOptions } = asked
  const byApp = methods.includes('totp')
  const passkey = methods.includes('passkey') && passkeyOptions && (
    <PasskeyForm kind="get" action="/sign-in/second-factor" options={passkeyOptions} look={byApp ? 'plain' : 'primary'} start={!byApp && !refused} button="Use your passkey">
      <Hidden asked={asked} next={next} method="passkey" />
    </PasskeyForm>
  )
  return (
    <Entrance title="One more step" lead={byApp ? 'Type the code that your authenticator app shows for torrent-streamer.' : 'Prove with your passkey that it is you.'}>
      {refused && <Notice tone="bad" title={refused} />}
      {byApp ? (
        <Form method="post" action="/sign-in/second-factor" reloadDocument className="grid gap-4">
          <Hidden asked={asked} next={next} method="totp" />
          <TextField label="Code" name="code" inputMode="numeric" autoComplete="one-time-code" required maxLength={7} pattern="\d{3} ?\d{3}" title="6 digits" autoFocus />
          <Button type="submit" look="primary">
            Sign in
          </Button>
        </Form>
      ) : (
        passkey
      )}
      <div className="grid gap-3 border-t border-line pt-4">
        {byApp && passkey && <Folded title="Use a passkey instead">{passkey}</Folded>}
        {methods.includes('recovery_code') && (
          <Folded title="Use a recovery code instead">
            <Form method="post" action="/sign-in/second-factor" reloadDocument className="grid gap-4">
              <Hidden asked={asked} next={next} method="recovery_code" />
              <TextField label="Recovery code" name="code" autoComplete="off" autoCapitalize="none" spellCheck={false} required maxLength={40} hint="One of the ten that you were shown. Each is good once." />
              <Button type="submit">Sign in with the recovery code</Button>
            </Form>
          </Folded>
        )}
        <p className="text-sm text-faint">
          <Link to="/sign-in" className="underline underline-offset-4 hover:text-ink">
            Sign in as someone else
          </Link>
        </p>
      </div>
      <PageScript />
    </Entrance>
  )
}

function Hidden({ asked, next, method }: Pick<Props, 'asked' | 'next'> & { method: string }) {
  return (
    <>
      <Csrf />
      <input type="hidden" name="next" value={next} />
      <input type="hidden" name="method" value={method} />
      <input type="hidden" name="challengeId" value={asked.challengeId} />
      <input type="hidden" name="methods" value={asked.methods.join(' ')} />
      {asked.passkeyOptions && <input type="hidden" name="passkeyOptions" value={asked.passkeyOptions} />}
    </>
  )
}
