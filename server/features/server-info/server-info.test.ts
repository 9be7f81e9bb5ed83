import { expect, test } from 'vitest'
import { startTestApp } from '../../test/app.ts'

const ask = async (settings: Record<string, string>) => {
  await using app = await startTestApp({ settings })
  const { status, headers, body } = await app.call('GET', '/server')
  expect([status, headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8'])
  return body as Record<string, unknown>
}

test('GET /server tells by default that there is no page, no oldest app and no app with passkeys', async () => {
  expect(await ask({})).toMatchObject({
    features: { androidPasskeys: false, iosPasskeys: false },
    minAppVersions: { android: null, ios: null, desktop: null, web: null },
    privacyUrl: null,
    termsUrl: null,
  })
})

test('GET /server tells what the settings say, each by itself', async () => {
  const fingerprint = Array<string>(32).fill('AB').join(':')
  const settings = {
    ANDROID_APPS: `org.example.tv=${fingerprint}`,
    MIN_APP_VERSIONS: 'ios=2.0.3, android=12.34.567',
    PRIVACY_URL: 'https://tv.example.org/privacy?lang=en#kept',
    TERMS_URL: 'https://terms.example.org',
  }
  expect(await ask(settings)).toMatchObject({
    features: { androidPasskeys: true, iosPasskeys: false },
    minAppVersions: { android: '12.34.567', ios: '2.0.3', desktop: null, web: null },
    privacyUrl: 'https://tv.example.org/privacy?lang=en#kept',
    termsUrl: 'https://terms.example.org/',
  })
})
