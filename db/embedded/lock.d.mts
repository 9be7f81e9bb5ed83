export type Holder = { pid: number; started: string; [note: string]: unknown }
export type Lock = {
  /** Replaces what others read about the holder. */
  note(note: Record<string, unknown>): void
  release(): void
}
export function startOf(pid: number): string | undefined
export function holderOf(path: string): Holder | undefined
export function tryLock(path: string, note?: Record<string, unknown>): { lock: Lock; holder?: undefined } | { lock?: undefined; holder: Holder }
