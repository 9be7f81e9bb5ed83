import { data, redirect, type ActionFunctionArgs, type MetaFunction } from '@remix-run/node'
import { Form, useActionData } from '@remix-run/react'
import type { RouteHandle } from '../load-context.ts'
import { Button } from '../ui/button.tsx'
import { Csrf } from '../ui/csrf.tsx'
import { Entrance } from '../ui/entrance.tsx'
import { errorOf, TextField } from '../ui/field.tsx'
import { NewPasswordField } from '../ui/new-password-field.tsx'
import { Notice } from '../ui/notice.tsx'

// no script runs where passwords are typed
export const handle = { permission: 'public', hydrate: false } satisfies RouteHandle

export const meta: MetaFunction = () => [{ title: 'Set up · torrent-streamer' }]

/** Makes the first admin by the link that the terminal printed, and signs them in. */
export async function action({ context, params }: ActionFunctionArgs) {
  const { api, form, session, attempt } = context
  const email = form.get('email') ?? ''
  const name = form.get('name') ?? ''
  const password = form.get('password') ?? ''
  const made = await attempt(() => api.auth.completeSetUp({ token: params['token'] ?? '', email, password, ...(name ? { name } : {}) }))
  if (!made.ok) return data({ problem: made.problem, email, name }, made.problem.status)
  await session.signIn({ email, password })
  return redirect('/')
}

export default function SetUp() {
  const refused = useActionData<typeof action>()
  return (
    <Entrance title="Welcome. Make the first admin." lead="This link works once, within an hour of being printed. Everyone else’s account is made later.">
      {refused && <Notice tone="bad" title={refused.problem.errors ? 'Look at the marked fields.' : refused.problem.detail} />}
      <Form method="post" reloadDocument className="grid gap-4">
        <Csrf />
        <TextField label="E-mail" name="email" type="email" autoComplete="username" required maxLength={254} autoFocus={!refused} defaultValue={refused?.email} error={errorOf(refused?.problem, 'email')} />
        <TextField label="Name" name="name" autoComplete="name" maxLength={80} optional defaultValue={refused?.name} error={errorOf(refused?.problem, 'name')} />
        <NewPasswordField label="Password" name="password" error={errorOf(refused?.problem, 'password')} />
        <Button type="submit" look="primary">
          Make the account
        </Button>
      </Form>
    </Entrance>
  )
}
