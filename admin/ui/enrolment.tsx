import { Form } from '@remix-run/react'
import { Button } from './button.tsx'
import { Card } from './card.tsx'
import { Csrf } from './csrf.tsx'
import { PageScript } from './page-script.tsx'
import { PasskeyNameForm } from './passkey-name-form.tsx'

/** For staff without a second factor: the one thing to do before anything else. */
export function Enrolment({ next }: { next: string }) {
  return (
    <>
      <div className="grid gap-5 md:grid-cols-2">
        <Card title="Authenticator app" lead={<p>An app on your phone shows a code of 6 digits, a new one every half minute. Works with Aegis, 2FAS, Google and Microsoft Authenticator, and password managers.</p>}>
          <Form method="post" action="/account/security/authenticator" reloadDocument className="grid self-end">
            <Csrf />
            <input type="hidden" name="next" value={next} />
            <Button type="submit" name="intent" value="begin" look="primary">
              Set up an authenticator app
            </Button>
          </Form>
        </Card>
        <Card title="Passkey" lead={<p>Your phone, computer or security key lets you in by fingerprint, face or PIN. Nothing to type, and nothing that a false page could take.</p>}>
          <PasskeyNameForm next={next} />
        </Card>
      </div>
      <PageScript />
    </>
  )
}
