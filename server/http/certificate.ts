import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { ConfigError } from '../config.ts'

/** The certificate and key of TLS_CERT_FILE and TLS_KEY_FILE. @throws ConfigError where they cannot be read or do not fit. */
export function readCertificate({ certFile, keyFile }: { certFile: string; keyFile: string }): { cert: Buffer; key: Buffer } {
  const faults: string[] = []
  const read = (name: string, file: string): Buffer => {
    try {
      return readFileSync(file)
    } catch (error) {
      faults.push(`${name}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`)
      return Buffer.alloc(0)
    }
  }
  const pair = { cert: read('TLS_CERT_FILE', certFile), key: read('TLS_KEY_FILE', keyFile) }
  if (faults.length > 0) throw new ConfigError(faults)
  try {
    createSecureContext(pair)
  } catch (error) {
    throw new ConfigError([`TLS_CERT_FILE ${certFile} and TLS_KEY_FILE ${keyFile} are no certificate with its key (${(error as Error).message})`])
  }
  return pair
}
