/** The last `most` different things that were added: what strangers can name without end is kept in such. */
export class Latest<T> {
  readonly #most: number
  readonly #kept = new Set<T>()

  constructor(most: number) {
    this.#most = most
  }

  /** Adds it, or makes it the latest; the one added longest ago makes room. */
  add(thing: T): void {
    this.#kept.delete(thing)
    this.#kept.add(thing)
    for (const oldest of this.#kept) {
      if (this.#kept.size <= this.#most) return
      this.#kept.delete(oldest)
    }
  }

  has(thing: T): boolean {
    return this.#kept.has(thing)
  }

  delete(thing: T): void {
    this.#kept.delete(thing)
  }
}
