import { Children, type ReactNode } from 'react'

/** Short facts on one line, parted by dots; what is null or false is left out. A dot at the start of a line hangs out, and is cut off. */
export function MetaLine({ children }: { children: ReactNode }) {
  return (
    <div className="overflow-hidden">
      <ul className="-ml-5 flex flex-wrap items-center gap-y-0.5 text-sm text-faint">
        {Children.toArray(children).map((fact, position) => (
          <li key={position} className="relative pl-5 before:absolute before:left-2 before:content-['·']">
            {fact}
          </li>
        ))}
      </ul>
    </div>
  )
}
