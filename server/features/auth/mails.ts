/** What is written to people about their account, in their language. The layout escapes every value. */
import type { Letter } from '../../kit/mail.ts'
import { code as codeLine, facts, letter, paragraph, type MailLocale } from '../../kit/mail-layout.ts'

export type { Letter } from '../../kit/mail.ts'
export type Locale = MailLocale
type Code = { code: string; minutes: number }
type Device = { name: string | null; network: string | null; at: Date }

export const localeOf = (stored: string): Locale => (stored === 'fr' ? 'fr' : 'en')

// made once: making one costs fifty times what it formats
const formats = (style: Intl.DateTimeFormatOptions): Record<Locale, Intl.DateTimeFormat> => ({ en: new Intl.DateTimeFormat('en', { ...style, timeZone: 'UTC' }), fr: new Intl.DateTimeFormat('fr', { ...style, timeZone: 'UTC' }) })
const [days, moments] = [formats({ dateStyle: 'long' }), formats({ dateStyle: 'long', timeStyle: 'short' })]
const day = (locale: Locale, at: Date) => days[locale].format(at)
const moment = (locale: Locale, at: Date) => `${moments[locale].format(at)} UTC`

export const signUpCode = (locale: Locale, { code, minutes }: Code): Letter =>
  letter(locale, {
    en: {
      subject: 'Your sign-up code',
      blocks: [paragraph('Your code is'), codeLine(code), paragraph(`Enter it in the app within ${minutes} minutes. If you did not sign up, ignore this mail: nothing happens without the code.`)],
    },
    fr: {
      subject: 'Votre code d’inscription',
      blocks: [paragraph('Votre code est'), codeLine(code), paragraph(`Saisissez-le dans l’application d’ici ${minutes} minutes. Si vous ne vous êtes pas inscrit, ignorez ce message : rien ne se passe sans le code.`)],
    },
  })

export const alreadyRegistered = (locale: Locale): Letter =>
  letter(locale, {
    en: {
      subject: 'You already have an account',
      blocks: [
        paragraph('Someone, perhaps you, wanted to use this address for an account. It already has one: sign in instead, or ask for a new password.'),
        paragraph('If it was not you, nothing needs to be done.'),
      ],
    },
    fr: {
      subject: 'Vous avez déjà un compte',
      blocks: [
        paragraph('Quelqu’un, peut-être vous, a voulu utiliser cette adresse pour un compte. Elle en a déjà un : connectez-vous, ou demandez un nouveau mot de passe.'),
        paragraph('Si ce n’était pas vous, il n’y a rien à faire.'),
      ],
    },
  })

export const passwordResetCode = (locale: Locale, { code, minutes }: Code): Letter =>
  letter(locale, {
    en: {
      subject: 'Your code for a new password',
      blocks: [paragraph('Your code is'), codeLine(code), paragraph(`Enter it within ${minutes} minutes where you asked for it, in the app or in the browser, and choose a new password. If you did not ask for it, ignore this mail: your password stays as it is.`)],
    },
    fr: {
      subject: 'Votre code pour un nouveau mot de passe',
      blocks: [
        paragraph('Votre code est'),
        codeLine(code),
        paragraph(`Saisissez-le d’ici ${minutes} minutes là où vous l’avez demandé, dans l’application ou dans le navigateur, et choisissez un nouveau mot de passe. Si vous ne l’avez pas demandé, ignorez ce message : votre mot de passe reste le même.`),
      ],
    },
  })

export const emailChangeCode = (locale: Locale, { code, minutes }: Code): Letter =>
  letter(locale, {
    en: {
      subject: 'Confirm your new address',
      blocks: [paragraph('Your code is'), codeLine(code), paragraph(`Enter it within ${minutes} minutes where you asked for it, in the app or in the browser, to use this address for your account. If you have no account with us, ignore this mail.`)],
    },
    fr: {
      subject: 'Confirmez votre nouvelle adresse',
      blocks: [paragraph('Votre code est'), codeLine(code), paragraph(`Saisissez-le d’ici ${minutes} minutes là où vous l’avez demandé, dans l’application ou dans le navigateur, pour utiliser cette adresse avec votre compte. Si vous n’avez pas de compte chez nous, ignorez ce message.`)],
    },
  })

/** @param facts `to` is the new address, masked: this goes to the old one. */
export const emailChanged = (locale: Locale, { to }: { to: string }): Letter =>
  letter(locale, {
    en: {
      subject: 'Your address was changed',
      blocks: [paragraph(`Your account now uses ${to}, and no longer this address.`), paragraph('If it was not you, write to the operator of the service at once.')],
    },
    fr: {
      subject: 'Votre adresse a été changée',
      blocks: [paragraph(`Votre compte utilise maintenant ${to}, et non plus cette adresse.`), paragraph('Si ce n’était pas vous, écrivez sans attendre à l’opérateur du service.')],
    },
  })

export const passwordChanged = (locale: Locale): Letter =>
  letter(locale, {
    en: {
      subject: 'Your password was changed',
      blocks: [paragraph('The password of your account was changed, and every other session was ended.'), paragraph('If it was not you, reset it at once.')],
    },
    fr: {
      subject: 'Votre mot de passe a été changé',
      blocks: [paragraph('Le mot de passe de votre compte a été changé, et toute autre session a été fermée.'), paragraph('Si ce n’était pas vous, réinitialisez-le sans attendre.')],
    },
  })

type FactorChange = 'added' | 'removed' | 'reset' | 'recovery_codes'
const factorChanges: Record<Locale, Record<FactorChange, string>> = {
  en: {
    added: 'A second factor was added to your account.',
    removed: 'A second factor was removed from your account.',
    reset: 'The second factors of your account were reset by an administrator.',
    recovery_codes: 'New recovery codes were made for your account; the old ones no longer work.',
  },
  fr: {
    added: 'Un second facteur a été ajouté à votre compte.',
    removed: 'Un second facteur a été retiré de votre compte.',
    reset: 'Les seconds facteurs de votre compte ont été réinitialisés par un administrateur.',
    recovery_codes: 'De nouveaux codes de secours ont été créés pour votre compte ; les anciens ne marchent plus.',
  },
}

export const factorsChanged = (locale: Locale, { what }: { what: FactorChange }): Letter =>
  letter(locale, {
    en: { subject: 'How you sign in was changed', blocks: [paragraph(factorChanges.en[what]), paragraph('If it was not you, change your password at once.')] },
    fr: { subject: 'Votre façon de vous connecter a changé', blocks: [paragraph(factorChanges.fr[what]), paragraph('Si ce n’était pas vous, changez votre mot de passe sans attendre.')] },
  })

export const newDevice = (locale: Locale, { name, network, at }: Device): Letter =>
  letter(locale, {
    en: {
      subject: 'A new device signed in',
      blocks: [
        paragraph('A device signed in to your account for the first time.'),
        facts(['Device', name ?? 'unknown'], ['Network', network ?? 'unknown'], ['Time', moment('en', at)]),
        paragraph('If it was not you, change your password at once: that signs the device out.'),
      ],
    },
    fr: {
      subject: 'Un nouvel appareil s’est connecté',
      blocks: [
        paragraph('Un appareil s’est connecté à votre compte pour la première fois.'),
        facts(['Appareil', name ?? 'inconnu'], ['Réseau', network ?? 'inconnu'], ['Date', moment('fr', at)]),
        paragraph('Si ce n’était pas vous, changez votre mot de passe sans attendre : cela déconnecte l’appareil.'),
      ],
    },
  })

export const deletionScheduled = (locale: Locale, { at }: { at: Date }): Letter =>
  letter(locale, {
    en: { subject: 'Your account will be erased', blocks: [paragraph(`Your account will be erased on ${day('en', at)}. Sign in before then to keep it.`)] },
    fr: { subject: 'Votre compte sera effacé', blocks: [paragraph(`Votre compte sera effacé le ${day('fr', at)}. Connectez-vous avant cette date pour le garder.`)] },
  })

export const deletionCancelled = (locale: Locale): Letter =>
  letter(locale, {
    en: { subject: 'Your account is kept', blocks: [paragraph('Someone, surely you, signed in to your account, so it will not be erased.'), paragraph('If it was not you, change your password at once.')] },
    fr: { subject: 'Votre compte est gardé', blocks: [paragraph('Quelqu’un, sûrement vous, s’est connecté à votre compte : il ne sera pas effacé.'), paragraph('Si ce n’était pas vous, changez votre mot de passe sans attendre.')] },
  })
