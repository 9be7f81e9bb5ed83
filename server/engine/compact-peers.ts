/** Addresses of peers as trackers and peers pack them: 4 or 16 bytes and a port (BEP 7, BEP 11, BEP 23); what is left over is passed over. */
export function readCompact(bytes: Uint8Array, family: 4 | 6): string[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const hostBytes = family === 4 ? 4 : 16
  const peers: string[] = []
  for (let at = 0; at + hostBytes + 2 <= view.length; at += hostBytes + 2) {
    const port = view.readUInt16BE(at + hostBytes)
    if (family === 4) peers.push(`${view.subarray(at, at + 4).join('.')}:${port}`)
    else peers.push(`[${Array.from({ length: 8 }, (_, group) => view.readUInt16BE(at + group * 2).toString(16)).join(':')}]:${port}`)
  }
  return peers
}

/** `host:port` or `[host]:port` in its two halves; null when it is neither. */
export function splitPeer(peer: string): { readonly host: string; readonly port: number } | null {
  const [, bracketed, plain, port] = /^(?:\[([\da-fA-F:.]{2,45})\]|([\d.]{7,15})):(\d{1,5})$/.exec(peer) ?? []
  const host = bracketed ?? plain
  return host === undefined ? null : { host, port: Number(port) }
}
