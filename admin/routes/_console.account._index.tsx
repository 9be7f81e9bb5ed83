import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from '@remix-run/node'
import { Form, useActionData, useLoaderData } from '@remix-run/react'
import type { RouteHandle } from '../load-context.ts'
import { Button } from '../ui/button.tsx'
import { Card } from '../ui/card.tsx'
import { Csrf } from '../ui/csrf.tsx'
import { errorOf, Select, TextField } from '../ui/field.tsx'
import { formatDay } from '../ui/format.ts'
import { Notice } from '../ui/notice.tsx'

export { ProblemPage as ErrorBoundary } from '../ui/problem-page.tsx'

export const handle = { permission: 'account.edit', hydrate: false } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Profile · torrent-streamer' }]

export async function loader({ context, request }: LoaderFunctionArgs) {
  return { me: await context.api.users.me(), done: new URL(request.url).searchParams.has('done') }
}

const locales = [
  { value: 'en', label: 'English' },
  { value: 'fr', label: 'Français' },
] as const

export async function action({ context }: ActionFunctionArgs) {
  const { api, form, attempt } = context
  const name = (form.get('name') ?? '').trim()
  const locale = locales.find(({ value }) => value === form.get('locale'))?.value
  const outcome = await attempt(() => api.users.update({ name: name === '' ? null : name, ...(locale ? { locale } : {}) }))
  return outcome.ok ? redirect('/account?done') : data({ problem: outcome.problem, name }, outcome.problem.status)
}

export default function Profile() {
  const { me, done } = useLoaderData<typeof loader>()
  const refused = useActionData<typeof action>()
  return (
    <Card title="Profile" lead={<p>An account since {formatDay(me.createdAt)}.</p>}>
      {refused && <Notice tone="bad" title={refused.problem.errors ? 'Look at the marked fields.' : refused.problem.detail} />}
      {done && !refused && <Notice tone="good" title="Saved." />}
      <Form method="post" action="/account?index" reloadDocument className="grid max-w-md gap-4">
        <Csrf />
        <TextField label="Name" name="name" autoComplete="name" maxLength={80} optional defaultValue={refused?.name ?? me.name ?? ''} error={errorOf(refused?.problem, 'name')} hint="What the console and our mails call you." />
        <Select label="Language of mails" name="locale" required choices={locales} defaultValue={me.locale} />
        <div>
          <Button type="submit" look="primary">
            Save
          </Button>
        </div>
      </Form>
    </Card>
  )
}
