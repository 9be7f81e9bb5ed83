import { generateAuthenticationOptions, generateRegistrationOptions, verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server'
import { decodeAttestationObject } from '@simplewebauthn/server/helpers'
import { z } from 'zod'
import type { Deps } from '../../kit/context.ts'
import { androidOrigin } from './app-links.ts'
import { challengeMinutes } from './challenges.ts'

// The one place that knows @simplewebauthn/server. User verification is always demanded: a passkey counts as two factors
// because it is held and unlocked (WebAuthn level 3, 6.2.3).

type Site = Pick<Deps, 'publicUrl' | 'config'>
export type StoredPasskey = { credentialId: Uint8Array; publicKey: Uint8Array; counter: number; transports: string[] }

const toBase64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
/** The library wants arrays that own an ArrayBuffer. */
const copyOf = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes)
const timeout = challengeMinutes * 60_000

/** Our domain: what passkeys are bound to (WebAuthn, "relying party identifier"). */
const rpIdOf = ({ publicUrl }: Site): string => new URL(publicUrl()).hostname

/** Where a passkey may be used: on our pages, and in the apps that the operator named. Apps on iOS speak as the domain itself. */
function originsOf(site: Site): string[] {
  const { androidApps, iosApps } = site.config
  return [site.publicUrl(), ...androidApps.map(androidOrigin), ...(iosApps.length > 0 ? [`https://${rpIdOf(site)}`] : [])]
}

type Enrolling = { challenge: Uint8Array; userId: string; email: string; name: string | null; known: Pick<StoredPasskey, 'credentialId' | 'transports'>[] }

/** JSON text for navigator.credentials.create(): a passkey that is found without a name being typed. */
export async function creationOptions(site: Site, { challenge, userId, email, name, known }: Enrolling): Promise<string> {
  const options = await generateRegistrationOptions({
    rpName: 'torrent-streamer',
    rpID: rpIdOf(site),
    userID: copyOf(Buffer.from(userId.replaceAll('-', ''), 'hex')),
    userName: email,
    userDisplayName: name ?? email,
    challenge: copyOf(challenge),
    timeout,
    attestationType: 'none',
    excludeCredentials: known.map(asDescriptor),
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    supportedAlgorithmIDs: [-7, -8, -257],
  })
  return JSON.stringify(options)
}

/** JSON text for navigator.credentials.get(); without known passkeys, any of ours that the device holds. */
export async function requestOptions(site: Site, { challenge, known }: Pick<Enrolling, 'challenge' | 'known'>): Promise<string> {
  return JSON.stringify(await generateAuthenticationOptions({ rpID: rpIdOf(site), challenge: copyOf(challenge), timeout, allowCredentials: known.map(asDescriptor), userVerification: 'required' }))
}

const asDescriptor = ({ credentialId, transports }: Pick<StoredPasskey, 'credentialId' | 'transports'>) => ({ id: toBase64url(credentialId), transports })

export type NewCredential = StoredPasskey & { backedUp: boolean }

const transport = z.enum(['ble', 'cable', 'hybrid', 'internal', 'nfc', 'smart-card', 'usb'])
const Base64url = z.string().regex(/^[\w-]+$/)
const Attestation = z.object({ id: Base64url, rawId: Base64url, type: z.literal('public-key'), response: z.object({ clientDataJSON: Base64url, attestationObject: Base64url, transports: z.array(z.string()).max(20).catch([]) }) })
const Assertion = z.object({ id: Base64url, rawId: Base64url, type: z.literal('public-key'), response: z.object({ clientDataJSON: Base64url, authenticatorData: Base64url, signature: Base64url, userHandle: Base64url.nullish() }) })

/** The credential that was made for this challenge, or null for anything else (WebAuthn, 7.1). */
export async function verifyCreation(site: Site, challenge: Uint8Array, text: string): Promise<NewCredential | null> {
  const given = Attestation.safeParse(readJson(text))
  if (!given.success) return null
  const { response, ...rest } = given.data
  const { registrationInfo } = await unlessRefused(() => {
    demandNoCertificate(response.attestationObject)
    const options = { expectedChallenge: toBase64url(challenge), expectedOrigin: originsOf(site), expectedRPID: rpIdOf(site), requireUserVerification: true, supportedAlgorithmIDs: [-7, -8, -257] }
    return verifyRegistrationResponse({ ...options, response: { ...rest, response: { clientDataJSON: response.clientDataJSON, attestationObject: response.attestationObject }, clientExtensionResults: {} } })
  }) ?? {}
  if (!registrationInfo) return null
  const { credential, credentialBackedUp } = registrationInfo
  return {
    credentialId: Buffer.from(credential.id, 'base64url'),
    publicKey: credential.publicKey,
    counter: credential.counter,
    transports: response.transports.filter((one) => transport.safeParse(one).success),
    backedUp: credentialBackedUp,
  }
}

/**
 * Certificates of makers name addresses to be asked about them, which the library would do (control D3). None was asked
 * for, so only what has none is taken: no attestation, or a device's by the new key itself (WebAuthn, 8.7 and 8.2).
 */
function demandNoCertificate(attestationObject: string): void {
  const decoded = decodeAttestationObject(copyOf(Buffer.from(attestationObject, 'base64url')))
  const format = decoded.get('fmt')
  if (format === 'none' || (format === 'packed' && decoded.get('attStmt').get('x5c') === undefined)) return
  throw new Error('an attestation that was not asked for')
}

export type ReadAssertion = { credentialId: Uint8Array; userId: string | null; verify(site: Site, challenge: Uint8Array, stored: StoredPasskey): Promise<{ counter: number; backedUp: boolean } | null> }

/** What navigator.credentials.get() gave, as far as it can be read before its key is known. */
export function readAssertion(text: string): ReadAssertion | null {
  const given = Assertion.safeParse(readJson(text))
  if (!given.success) return null
  const { response: { userHandle, ...signed }, ...rest } = given.data
  return {
    credentialId: Buffer.from(rest.id, 'base64url'),
    userId: userHandle ? Buffer.from(userHandle, 'base64url').toString('hex') : null,
    /** Null for anything but a fresh signature by that key, at our place, by someone whom the device knows (WebAuthn, 7.2). */
    async verify(site, challenge, { credentialId, publicKey, counter }) {
      const verified = await unlessRefused(() =>
        verifyAuthenticationResponse({
          response: { ...rest, response: signed, clientExtensionResults: {} },
          expectedChallenge: toBase64url(challenge),
          expectedOrigin: originsOf(site),
          expectedRPID: rpIdOf(site),
          requireUserVerification: true,
          credential: { id: toBase64url(credentialId), publicKey: copyOf(publicKey), counter },
        }),
      )
      if (!verified?.verified) return null
      return { counter: verified.authenticationInfo.newCounter, backedUp: verified.authenticationInfo.credentialBackedUp }
    },
  }
}

/** The library throws plain errors for everything that it refuses, and for every fault of what it reads. */
async function unlessRefused<T>(verify: () => Promise<T>): Promise<T | null> {
  try {
    return await verify()
  } catch {
    return null
  }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
