export type TitleState = 'pending' | 'approved' | 'rejected' | 'taken_down'

export const stateNames: Record<TitleState, string> = { pending: 'Pending', approved: 'Approved', rejected: 'Rejected', taken_down: 'Taken down' }

const looks: Record<TitleState, string> = {
  pending: 'bg-warn-soft text-warn',
  approved: 'bg-good-soft text-good',
  rejected: 'bg-sunken text-faint',
  taken_down: 'bg-bad-soft text-bad',
}

export function StateBadge({ state }: { state: TitleState }) {
  return <span className={`inline-flex items-center rounded-full px-2.5 py-0.5 text-xs font-semibold whitespace-nowrap ${looks[state]}`}>{stateNames[state]}</span>
}
