import type { LoaderFunctionArgs } from '@remix-run/node'
import { Form, Link, NavLink, Outlet, useLoaderData, useNavigation } from '@remix-run/react'
import type { RouteHandle } from '../load-context.ts'
import { Brand } from '../ui/brand.tsx'
import { Button } from '../ui/button.tsx'
import { Csrf } from '../ui/csrf.tsx'

export const handle = { permission: 'console.use', beforeEnrolment: true } satisfies RouteHandle

export async function loader({ context }: LoaderFunctionArgs) {
  const { api } = context
  const [{ email, name, role }, { items: categories }] = await Promise.all([api.users.me(), api.catalogue.categories()])
  return { who: name ?? email, role, categories, enrolling: context.actor?.lacksFactor === true }
}

const pages = [
  { to: '/', label: 'Queue' },
  { to: '/titles', label: 'Titles' },
]

/** The frame of every signed-in page. */
export default function Console() {
  const { who, role, enrolling } = useLoaderData<typeof loader>()
  const busy = useNavigation().state !== 'idle'
  return (
    <>
      <a href="#content" className="absolute -top-20 left-4 z-20 rounded-md bg-accent px-4 py-2 text-on-accent focus:top-2">
        Skip to the content
      </a>
      <header className="border-b border-line bg-surface">
        <div className="mx-auto flex max-w-7xl flex-wrap 2xl:max-w-[92rem] items-center gap-x-2 gap-y-1 px-4 py-2 sm:gap-x-6 sm:px-6">
          <Link to="/" className="text-ink no-underline">
            <Brand />
          </Link>
          {!enrolling && (
            <nav aria-label="Console" className="order-last -mx-2 flex basis-full gap-1 sm:order-none sm:mx-0 sm:basis-auto">
              {pages.map(({ to, label }) => (
                <NavLink
                  key={to}
                  to={to}
                  end={to === '/'}
                  className={({ isActive }) => `rounded-md px-3 py-1.5 text-sm font-medium transition-colors ${isActive ? 'bg-accent-soft text-accent-strong' : 'text-faint hover:bg-sunken hover:text-ink'}`}
                >
                  {label}
                </NavLink>
              ))}
            </nav>
          )}
          <div className="-mr-3 ml-auto flex min-w-0 items-center gap-1">
            {/* a document of its own: no script runs where passwords are typed */}
            <NavLink
              to="/account"
              reloadDocument
              className={({ isActive }) => `min-w-0 truncate rounded-md px-2 py-1.5 text-sm font-medium transition-colors sm:max-w-72 sm:px-3 ${isActive ? 'bg-accent-soft text-accent-strong' : 'text-faint hover:bg-sunken hover:text-ink'}`}
            >
              {/* a phone has no room for the name */}
              <span className="sm:sr-only">
                Account<span className="sr-only">: </span>
              </span>
              <span className="max-sm:sr-only">
                <bdi>{who}</bdi>
                <span className="hidden capitalize md:inline"> · {role}</span>
              </span>
            </NavLink>
            <Form method="post" action="/sign-out" reloadDocument>
              <Csrf />
              <Button type="submit" look="quiet">
                Sign out
              </Button>
            </Form>
          </div>
        </div>
      </header>
      <main id="content" tabIndex={-1} aria-busy={busy} className="mx-auto max-w-7xl px-4 py-6 sm:px-6 sm:py-8 2xl:max-w-[92rem]">
        <Outlet />
      </main>
    </>
  )
}
