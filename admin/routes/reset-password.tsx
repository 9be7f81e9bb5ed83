import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { useActionData } from '@remix-run/react'
import { isForm } from '../is-form.ts'
import type { RouteHandle } from '../load-context.ts'
import { leadingTo, returnTo } from '../return-to.ts'
import { ResetPasswordPage } from '../ui/reset-password-page.tsx'

// no script of the app runs where passwords and codes are typed
export const handle = { permission: 'public', hydrate: false } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'New password · torrent-streamer' }]

/** Only the page that mails the code leads here, and it brings the flow along. */
export function loader({ context }: LoaderFunctionArgs) {
  return isForm(context) ? null : redirect('/forgot-password')
}

export async function action({ context }: ActionFunctionArgs) {
  const { api, form, attempt } = context
  const reset = { flowId: form.get('flowId') ?? '', email: form.get('email') ?? '', next: returnTo(form.get('next')) }
  if (form.get('intent') === 'resend') {
    const resent = await attempt(() => api.auth.resendCode({ flowId: reset.flowId }))
    return data({ reset, again: resent.ok, code: '', problem: resent.ok ? null : resent.problem }, resent.ok ? 200 : resent.problem.status)
  }
  const code = (form.get('code') ?? '').replaceAll(/\s/g, '')
  const done = await attempt(() => api.auth.resetPassword({ flowId: reset.flowId, code, newPassword: form.get('newPassword') ?? '' }))
  if (done.ok) return redirect(leadingTo('/sign-in', reset.next, { reset: '' }))
  return data({ reset, again: false, code, problem: done.problem }, done.problem.status)
}

export default function ResetPassword() {
  const answer = useActionData<typeof action>()
  return answer && <ResetPasswordPage {...answer} />
}
