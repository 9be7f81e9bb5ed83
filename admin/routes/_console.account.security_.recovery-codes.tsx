import { data, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { Form, useActionData, useLoaderData } from '@remix-run/react'
import type { RouteHandle } from '../load-context.ts'
import { orStepUp } from '../step-up.ts'
import { Button } from '../ui/button.tsx'
import { Card } from '../ui/card.tsx'
import { Csrf } from '../ui/csrf.tsx'
import { formatCount } from '../ui/format.ts'
import { Notice } from '../ui/notice.tsx'
import { PageScript } from '../ui/page-script.tsx'
import { RecoveryCodes } from '../ui/recovery-codes.tsx'

export { ProblemPage as ErrorBoundary } from '../ui/problem-page.tsx'

export const handle = { permission: 'account.secure', hydrate: false } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Recovery codes · torrent-streamer' }]

export async function loader({ context }: LoaderFunctionArgs) {
  const { recoveryCodesLeft } = await context.api.factors.state()
  return { left: recoveryCodesLeft }
}

export async function action({ context }: ActionFunctionArgs) {
  const { api, attempt } = context
  const made = await attempt(() => api.factors.newRecoveryCodes())
  if (made.ok) return data({ codes: made.value.recoveryCodes, problem: null })
  return data({ codes: null, problem: orStepUp(made.problem, '/account/security/recovery-codes') }, made.problem.status)
}

export default function NewRecoveryCodes() {
  const { left } = useLoaderData<typeof loader>()
  const answer = useActionData<typeof action>()
  if (answer?.codes) return <RecoveryCodes codes={answer.codes} next="/account/security" />
  return (
    <Card title="New recovery codes" lead={<p>Ten new ones take the place of the {formatCount(left, 'code')} that you have left, which stop working.</p>}>
      {answer?.problem && <Notice tone="bad" title={answer.problem.detail} />}
      <Form method="post" action="/account/security/recovery-codes" reloadDocument>
        <Csrf />
        <Button type="submit" look="primary">
          Make ten new codes
        </Button>
      </Form>
      <PageScript />
    </Card>
  )
}
