import { Form, Link } from '@remix-run/react'
import type { z } from 'zod'
import type { Passkey } from '../../server/features/factors/contract.ts'
import { Button, buttonLook } from './button.tsx'
import { Card } from './card.tsx'
import { Csrf } from './csrf.tsx'
import { Folded } from './folded.tsx'
import { formatCount, formatDay } from './format.ts'
import { MetaLine } from './meta-line.tsx'
import { Moment } from './moment.tsx'
import { PasskeyNameForm } from './passkey-name-form.tsx'

const here = '/account/security'

export function AuthenticatorCard({ confirmedAt }: { confirmedAt: string | null }) {
  return (
    <Card title="Authenticator app" lead={<p>{confirmedAt ? `Set up on ${formatDay(confirmedAt)}.` : 'An app on your phone shows a code of 6 digits, a new one every half minute.'}</p>}>
      <div className="grid gap-4">
        <Form method="post" action={`${here}/authenticator`} reloadDocument>
          <Csrf />
          <input type="hidden" name="next" value={here} />
          <Button type="submit" name="intent" value="begin">
            {confirmedAt ? 'Move to another app' : 'Set up an authenticator app'}
          </Button>
        </Form>
        {confirmedAt && (
          <Folded title="Remove the app…">
            <Form method="post" action={here} reloadDocument className="grid justify-items-start gap-3">
              <Csrf />
              <p className="text-sm text-faint">Its codes stop working, and your other sessions end. A passkey has to stay in its place.</p>
              <Button type="submit" look="danger">
                Remove the authenticator app
              </Button>
            </Form>
          </Folded>
        )}
      </div>
    </Card>
  )
}

export function PasskeysCard({ passkeys }: { passkeys: z.infer<typeof Passkey>[] }) {
  return (
    <Card title="Passkeys" lead={<p>With one you sign in without the password, by fingerprint, face or PIN.</p>}>
      {passkeys.length > 0 && (
        <ul className="divide-y divide-line border-y border-line">
          {passkeys.map(({ id, name, createdAt, lastUsedAt, backedUp }) => (
            <li key={id} className="grid gap-2 py-3">
              <div className="grid gap-0.5">
                <p className="font-medium">
                  <bdi>{name}</bdi>
                </p>
                <MetaLine>
                  {`added on ${formatDay(createdAt)}`}
                  {lastUsedAt ? (
                    <span key="used">
                      last used <Moment at={lastUsedAt} />
                    </span>
                  ) : (
                    'not used yet'
                  )}
                  {backedUp ? 'synchronised between devices' : 'on one device only'}
                </MetaLine>
              </div>
              <Folded title={<span aria-label={`Remove ${name}…`}>Remove…</span>}>
                <Form method="post" action={here} reloadDocument className="grid justify-items-start gap-3">
                  <Csrf />
                  <input type="hidden" name="passkeyId" value={id} />
                  <p className="text-sm text-faint">It lets nobody in any more, and your other sessions end.</p>
                  <Button type="submit" look="danger" aria-label={`Remove the passkey ${name}`}>
                    Remove the passkey
                  </Button>
                </Form>
              </Folded>
            </li>
          ))}
        </ul>
      )}
      <PasskeyNameForm next={here} />
    </Card>
  )
}

export function RecoveryCodesCard({ left, useful }: { left: number; useful: boolean }) {
  return (
    <Card title="Recovery codes" lead={<p>For when your phone or passkey is not at hand. Each is good once.</p>}>
      <p className={left < 3 && useful ? 'text-sm font-medium text-warn' : 'text-sm'}>{useful ? `${formatCount(left, 'code')} left.` : 'They come with your first second factor.'}</p>
      {useful && (
        <p>
          <Link to={`${here}/recovery-codes`} className={buttonLook('plain')}>
            Make new codes
          </Link>
        </p>
      )}
    </Card>
  )
}
