/** Is JSON text nested deeper than `limit`? Reads it once, without parsing, so that no stack can overflow. */
export function nestsDeeperThan(limit: number, json: string): boolean {
  let depth = 0
  let inString = false
  for (let i = 0; i < json.length; i += 1) {
    const c = json.charCodeAt(i)
    if (inString) {
      if (c === 0x5c) i += 1
      else if (c === 0x22) inString = false
    } else if (c === 0x22) inString = true
    else if (c === 0x7b || c === 0x5b) {
      depth += 1
      if (depth > limit) return true
    } else if (c === 0x7d || c === 0x5d) depth -= 1
  }
  return false
}
