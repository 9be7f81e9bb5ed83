import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

type Node = Uint8Array

/** One DER value: tag, length, content (X.690). */
function der(tag: number, ...parts: Node[]): Node {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
const sequence = (...parts: Node[]) => der(0x30, ...parts)
const integer = (...bytes: number[]) => der(0x02, Buffer.from(bytes))
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const utcTime = (date: Date) => der(0x17, Buffer.from(`${date.toISOString().replaceAll(/[-:T]/g, '').slice(2, 14)}Z`))

const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
const name = (commonName: string) => sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(commonName)))))
/** subjectAltName: localhost and 127.0.0.1. */
const alternativeNames = sequence(oid('551d11'), der(0x04, sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])))))

/** A self-signed certificate for localhost (RFC 5280), with its key, as PEM. */
export function selfSignedCertificate({ days = 1 } = {}): { cert: string; key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [from, to] = [new Date(Date.now() - 60_000), new Date(Date.now() + days * 86_400_000)]
  const body = sequence(
    der(0xa0, integer(2)),
    integer(1, ...randomBytes(8)),
    ecdsaWithSha256,
    name('localhost'),
    sequence(utcTime(from), utcTime(to)),
    name('localhost'),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(alternativeNames)),
  )
  const signature = sign('sha256', body, { key: privateKey, dsaEncoding: 'der' })
  const certificate = sequence(body, ecdsaWithSha256, der(0x03, Buffer.from([0]), signature))
  const lines = Buffer.from(certificate).toString('base64').replaceAll(/(.{64})/g, '$1\n')
  return { cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`, key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) }
}
