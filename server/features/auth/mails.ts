import type { Mail } from '../../kit/mail.ts'

/** A mail without its address: what it says, in the reader's language. */
export type Letter = Omit<Mail, 'to'>
export type Locale = 'en' | 'fr'

export const localeOf = (stored: string): Locale => (stored === 'fr' ? 'fr' : 'en')

type Device = { name: string | null; network: string | null; at: Date }

export const signUpCode = (_locale: Locale, { code, minutes }: { code: string; minutes: number }): Letter => ({
  subject: 'Your sign-up code',
  text: `Your code is ${code}\n\nEnter it in the app within ${minutes} minutes. If you did not sign up, ignore this mail: nothing happens without the code.\n`,
})

export const alreadyRegistered = (_locale: Locale): Letter => ({
  subject: 'You already have an account',
  text: 'Someone, perhaps you, tried to sign up with this address. It already has an account: sign in instead.\n\nIf it was not you, nothing needs to be done.\n',
})

export const passwordResetCode = (_locale: Locale, { code, minutes }: { code: string; minutes: number }): Letter => ({
  subject: 'Your code for a new password',
  text: `Your code is ${code}\n\nEnter it within ${minutes} minutes to choose a new password. If you did not ask for it, ignore this mail: your password stays as it is.\n`,
})

export const emailChangeCode = (_locale: Locale, { code, minutes }: { code: string; minutes: number }): Letter => ({
  subject: 'Confirm your new address',
  text: `Your code is ${code}\n\nEnter it within ${minutes} minutes to use this address for your account.\n`,
})

export const emailChanged = (_locale: Locale, { to }: { to: string }): Letter => ({
  subject: 'Your address was changed',
  text: `Your account now uses ${to}. If it was not you, write to the operator of the service at once.\n`,
})

export const passwordChanged = (_locale: Locale): Letter => ({
  subject: 'Your password was changed',
  text: 'The password of your account was changed, and every other session was ended. If it was not you, reset it at once.\n',
})

export const factorsChanged = (_locale: Locale, { what }: { what: 'added' | 'removed' | 'reset' | 'recovery_codes' }): Letter => ({
  subject: 'How you sign in was changed',
  text: `A second factor of your account was changed (${what}). If it was not you, change your password at once.\n`,
})

export const newDevice = (_locale: Locale, { name, network, at }: Device): Letter => ({
  subject: 'A new device signed in',
  text: `${name ?? 'A device'} signed in to your account for the first time at ${at.toISOString()}, from the network ${network ?? 'unknown'}. If it was not you, change your password.\n`,
})

export const deletionScheduled = (_locale: Locale, { at }: { at: Date }): Letter => ({
  subject: 'Your account will be erased',
  text: `Your account will be erased on ${at.toISOString().slice(0, 10)}. Sign in before then to keep it.\n`,
})

export const deletionCancelled = (_locale: Locale): Letter => ({
  subject: 'Your account is kept',
  text: 'Someone, surely you, signed in to your account, so it will not be erased. If it was not you, change your password at once.\n',
})
