import { data, redirect, type ActionFunctionArgs, type AppLoadContext, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { Form, useActionData, useLoaderData } from '@remix-run/react'
import type { RouteHandle } from '../load-context.ts'
import { returnTo } from '../return-to.ts'
import { orStepUp } from '../step-up.ts'
import { Button } from '../ui/button.tsx'
import { Card } from '../ui/card.tsx'
import { Csrf } from '../ui/csrf.tsx'
import { TextField } from '../ui/field.tsx'
import { Notice } from '../ui/notice.tsx'
import { PageScript } from '../ui/page-script.tsx'
import { RecoveryCodes } from '../ui/recovery-codes.tsx'

export { ProblemPage as ErrorBoundary } from '../ui/problem-page.tsx'

export const handle = { permission: 'account.secure', hydrate: false, beforeEnrolment: true } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Authenticator app · torrent-streamer' }]

const path = '/account/security/authenticator'

export function loader({ request }: LoaderFunctionArgs) {
  return { next: returnTo(new URL(request.url).searchParams.get('next')) }
}

/** What the app is told. It is shown again after a wrong code, so it travels in the form; only what can be shown safely comes back. */
type Key = { secret: string; link: string; qr: string }

function readKey(form: URLSearchParams): Key {
  const [secret = '', link = '', qr = ''] = ['secret', 'link', 'qr'].map((name) => form.get(name) ?? '')
  return { secret: /^[A-Z2-7]{16,64}$/.test(secret) ? secret : '', link: link.startsWith('otpauth://totp/') ? link : '', qr: /^data:image\/svg\+xml;base64,[\w+/=]+$/.test(qr) ? qr : '' }
}

export async function action({ context }: ActionFunctionArgs) {
  const next = returnTo(context.form.get('next'))
  return context.form.get('intent') === 'confirm' ? confirm(context, next) : begin(context, next)
}

async function begin({ api, attempt }: AppLoadContext, next: string) {
  const begun = await attempt(() => api.factors.beginTotp())
  if (!begun.ok) return data({ next, key: null, codes: null, problem: orStepUp(begun.problem, `${path}?${new URLSearchParams({ next }).toString()}`) }, begun.problem.status)
  const { secret, otpauthUri, qrSvg } = begun.value
  return data({ next, key: { secret, link: otpauthUri, qr: `data:image/svg+xml;base64,${btoa(qrSvg)}` }, codes: null, problem: null })
}

async function confirm({ api, form, attempt }: AppLoadContext, next: string) {
  const code = (form.get('code') ?? '').replaceAll(/\s/g, '')
  const confirmed = await attempt(() => api.factors.confirmTotp({ code }))
  if (!confirmed.ok) {
    // 409: none waits any more
    const key = confirmed.problem.status === 409 ? null : readKey(form)
    return data({ next, key, codes: null, problem: confirmed.problem }, confirmed.problem.status)
  }
  const { recoveryCodes } = confirmed.value
  if (recoveryCodes.length > 0) return data({ next, key: null, codes: recoveryCodes, problem: null })
  return redirect(next === '/account/security' ? `${next}?done=authenticator` : next)
}

export default function Authenticator() {
  const { next } = useLoaderData<typeof loader>()
  const answer = useActionData<typeof action>()
  if (answer?.codes) return <RecoveryCodes codes={answer.codes} next={answer.next} />
  if (answer?.key) return <Confirm keyOfApp={answer.key} next={answer.next} problem={answer.problem} />
  return (
    <Card title="Set up an authenticator app" lead={<p>A QR code appears, to be scanned by the app. Have your phone at hand: it is good for a quarter of an hour.</p>}>
      {answer?.problem && <Notice tone="bad" title={answer.problem.detail} />}
      <Form method="post" action={path} reloadDocument>
        <Csrf />
        <input type="hidden" name="next" value={answer?.next ?? next} />
        <Button type="submit" name="intent" value="begin" look="primary">
          Show the QR code
        </Button>
      </Form>
      <PageScript />
    </Card>
  )
}

function Confirm({ keyOfApp: { secret, link, qr }, next, problem }: { keyOfApp: Key; next: string; problem: { code: string; detail: string } | null }) {
  const error = problem && (problem.code === 'proof_invalid' || problem.code === 'validation_failed' ? 'is not what the app shows now. Is the clock of the phone right?' : null)
  return (
    <Card title="Scan this with your authenticator app" lead={<p>Then type the code that the app shows: only with it the app counts.</p>}>
      {problem && !error && <Notice tone="bad" title={problem.detail} />}
      <div className="grid gap-6 sm:grid-cols-[auto_minmax(0,1fr)]">
        {qr && <img src={qr} alt="QR code for the authenticator app" width={208} height={208} className="rounded-md border border-line bg-white p-1" />}
        <div className="grid content-start gap-4">
          <div className="grid gap-1 text-sm">
            <p className="font-medium">Cannot scan?</p>
            {link && (
              <p>
                <a href={link} className="text-accent underline underline-offset-4 hover:text-accent-strong">
                  Open it in an app on this device
                </a>
                , or type this key:
              </p>
            )}
            <p>
              <code className="font-mono text-sm select-all">{secret.replaceAll(/(.{4})(?=.)/g, '$1 ')}</code>
            </p>
          </div>
          <Form method="post" action={path} reloadDocument className="grid gap-4">
            <Csrf />
            {Object.entries({ next, secret, link, qr }).map(([name, value]) => (
              <input key={name} type="hidden" name={name} value={value} />
            ))}
            <TextField label="Code" name="code" inputMode="numeric" autoComplete="one-time-code" required maxLength={7} pattern="\d{3} ?\d{3}" title="6 digits" autoFocus error={error ?? undefined} />
            <Button type="submit" name="intent" value="confirm" look="primary">
              Confirm the code
            </Button>
          </Form>
        </div>
      </div>
      <PageScript />
    </Card>
  )
}
