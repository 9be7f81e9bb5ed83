import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'

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
const mappedLoopback = [...Array<number>(10).fill(0), 0xff, 0xff, 127, 0, 0, 1]
/** subjectAltName: a name, and addresses. */
const alternativeNames = (host: string, addresses: number[][]) =>
  sequence(oid('551d11'), der(0x04, sequence(der(0x82, Buffer.from(host)), ...addresses.map((address) => der(0x87, Buffer.from(address))))))
/** localhost, 127.0.0.1 and ::ffff:127.0.0.1. */
const namesOfLoopback = alternativeNames('localhost', [[127, 0, 0, 1], mappedLoopback])
/** basicConstraints, critical: may issue certificates. */
const mayIssue = sequence(oid('551d13'), der(0x01, Buffer.from([0xff])), der(0x04, sequence(der(0x01, Buffer.from([0xff])))))

type Pem = { cert: string; key: string }
type Issuer = { name: string; key: KeyObject }

/** A self-signed certificate for localhost (RFC 5280), with its key, as PEM. */
export const selfSignedCertificate = ({ days = 1 } = {}): Pem => makeCertificate({ subject: 'localhost', extension: namesOfLoopback, days }).pem

/** An authority of one's own, and a certificate that it issued, for localhost or another host. */
export function issuedCertificate(host = 'localhost'): Pem & { authority: string } {
  const authority = makeCertificate({ subject: `An authority of ${host}`, extension: mayIssue })
  const { pem } = makeCertificate({ subject: host, extension: host === 'localhost' ? namesOfLoopback : alternativeNames(host, []), issuer: authority.issuer })
  return { ...pem, authority: authority.pem.cert }
}

function makeCertificate({ subject, extension, issuer, days = 1 }: { subject: string; extension: Node; issuer?: Issuer; days?: number }): { pem: Pem; issuer: Issuer } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [from, to] = [new Date(Date.now() - 60_000), new Date(Date.now() + days * 86_400_000)]
  const body = sequence(
    der(0xa0, integer(2)),
    integer(1, ...randomBytes(8)),
    ecdsaWithSha256,
    name(issuer?.name ?? subject),
    sequence(utcTime(from), utcTime(to)),
    name(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(extension)),
  )
  const signature = sign('sha256', body, { key: issuer?.key ?? privateKey, dsaEncoding: 'der' })
  const certificate = sequence(body, ecdsaWithSha256, der(0x03, Buffer.from([0]), signature))
  const lines = Buffer.from(certificate).toString('base64').match(/.{1,64}/g)?.join('\n')
  const pem = { cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`, key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) }
  return { pem, issuer: { name: subject, key: privateKey } }
}
