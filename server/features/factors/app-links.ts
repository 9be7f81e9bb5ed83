import type { Deps } from '../../kit/context.ts'

type Apps = Pick<Deps['config'], 'androidApps' | 'iosApps'>

/** What an Android app says for its origin: the fingerprint of the certificate that signed it. */
export const androidOrigin = ({ fingerprint }: Apps['androidApps'][number]): string => `android:apk-key-hash:${Buffer.from(fingerprint.replaceAll(':', ''), 'hex').toString('base64url')}`

/** Digital Asset Links: which Android apps may use passkeys of this site. Null where none is named. */
export function assetLinks({ androidApps }: Apps) {
  if (androidApps.length === 0) return null
  const names = [...new Set(androidApps.map(({ name }) => name))]
  return names.map((name) => ({
    relation: ['delegate_permission/common.get_login_creds', 'delegate_permission/common.handle_all_urls'],
    target: { namespace: 'android_app', package_name: name, sha256_cert_fingerprints: androidApps.filter((app) => app.name === name).map(({ fingerprint }) => fingerprint) },
  }))
}

/** Apple's associated domains: which iOS apps may use passkeys of this site. Null where none is named. */
export const appleAppSiteAssociation = ({ iosApps }: Apps) => (iosApps.length === 0 ? null : { webcredentials: { apps: iosApps } })
