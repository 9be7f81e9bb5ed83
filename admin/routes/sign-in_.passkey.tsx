import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { Link, useActionData } from '@remix-run/react'
import { isForm } from '../is-form.ts'
import type { RouteHandle } from '../load-context.ts'
import { leadingTo, returnTo } from '../return-to.ts'
import { saidOfProof } from '../second-factor.ts'
import { Csrf } from '../ui/csrf.tsx'
import { Entrance } from '../ui/entrance.tsx'
import { Notice } from '../ui/notice.tsx'
import { PageScript } from '../ui/page-script.tsx'
import { PasskeyForm } from '../ui/passkey-form.tsx'

export const handle = { permission: 'public', hydrate: false } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Sign in with a passkey · torrent-streamer' }]

/** A challenge is made when somebody asks for one, not by a link. */
export function loader({ context }: LoaderFunctionArgs) {
  return isForm(context) ? null : redirect('/sign-in')
}

/** Without a credential a sign-in begins; with one it ends, or begins again. */
export async function action({ context }: ActionFunctionArgs) {
  const { form, session, attempt } = context
  const next = returnTo(form.get('next'))
  const assertion = form.get('credential')
  let refused: string | null = null
  if (assertion) {
    const finished = await attempt(() => session.finishPasskey({ challengeId: form.get('challengeId') ?? '', assertion }))
    if (finished.ok) return redirect(next)
    refused = saidOfProof(finished.problem, 'passkey')
  }
  const begun = await attempt(() => session.beginPasskey())
  if (!begun.ok) return data({ challenge: null, next, refused: begun.problem.detail }, begun.problem.status)
  return data({ challenge: begun.value, next, refused }, refused ? 401 : 200)
}

export default function PasskeySignIn() {
  const answer = useActionData<typeof action>()
  if (!answer) return null
  const { challenge, next, refused } = answer
  return (
    <Entrance title="Sign in with a passkey" lead="Your browser asks for the passkey: a fingerprint, a face, a PIN or a security key.">
      {refused && <Notice tone="bad" title={refused} />}
      {challenge && (
        <PasskeyForm kind="get" action="/sign-in/passkey" options={challenge.options} start={!refused} button="Use your passkey">
          <Csrf />
          <input type="hidden" name="next" value={next} />
          <input type="hidden" name="challengeId" value={challenge.challengeId} />
        </PasskeyForm>
      )}
      <p className="border-t border-line pt-4 text-sm text-faint">
        <Link to={leadingTo('/sign-in', next)} className="underline underline-offset-4 hover:text-ink">
          Sign in with the password instead
        </Link>
      </p>
      <PageScript />
    </Entrance>
  )
}
