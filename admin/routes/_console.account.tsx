import type { LoaderFunctionArgs } from '@remix-run/node'
import { NavLink, Outlet, useLoaderData } from '@remix-run/react'
import type { RouteHandle } from '../load-context.ts'
import { PageHeader } from '../ui/page-header.tsx'

// passwords and codes are typed on these pages: none of them is hydrated
export const handle = { permission: 'account.read', hydrate: false, beforeEnrolment: true } satisfies RouteHandle

export function loader({ context }: LoaderFunctionArgs) {
  return { enrolling: context.actor?.lacksFactor === true }
}

const pages = [
  { to: '/account', label: 'Profile' },
  { to: '/account/email', label: 'E-mail' },
  { to: '/account/password', label: 'Password' },
  { to: '/account/security', label: 'Security' },
  { to: '/account/sessions', label: 'Sessions' },
  { to: '/account/data', label: 'Your data' },
]

/** The frame of the pages about oneself. Who has to add a second factor first sees nothing else to do. */
export default function Account() {
  const { enrolling } = useLoaderData<typeof loader>()
  if (enrolling) {
    return (
      <div className="mx-auto max-w-3xl">
        <PageHeader
          title="Protect your account first"
          lead={<p className="max-w-prose">Whoever decides about titles signs in with more than a password. Choose what suits you; it takes a minute, and you can add the other later.</p>}
        />
        <Outlet />
      </div>
    )
  }
  return (
    <>
      <PageHeader title="Your account" />
      <div className="grid gap-x-10 gap-y-5 lg:grid-cols-[12rem_minmax(0,44rem)]">
        <nav aria-label="Account" className="grid grid-cols-3 gap-1 self-start rounded-lg bg-sunken p-1 text-center sm:flex sm:flex-wrap lg:grid lg:grid-cols-1 lg:bg-transparent lg:p-0 lg:text-left">
          {pages.map(({ to, label }) => (
            <NavLink
              key={to}
              to={to}
              end={to === '/account'}
              className={({ isActive }) => `rounded-md px-3 py-1.5 text-sm font-medium transition-colors ${isActive ? 'bg-surface text-ink shadow-sm lg:bg-accent-soft lg:text-accent-strong lg:shadow-none' : 'text-faint hover:text-ink lg:hover:bg-sunken'}`}
            >
              {label}
            </NavLink>
          ))}
        </nav>
        <div className="grid min-w-0 content-start gap-5">
          <Outlet />
        </div>
      </div>
    </>
  )
}
