/**
 * The script of pages that are not hydrated, because passwords and codes are typed there: what passkeys need, and small
 * comforts. It reads the page's own forms and adds nothing to them but what the browser's authenticator answers.
 */
import { startAuthentication, startRegistration, WebAuthnError, type PublicKeyCredentialCreationOptionsJSON, type PublicKeyCredentialRequestOptionsJSON } from '@simplewebauthn/browser'
import { offerPasskeys } from './passkey-autofill.ts'

const problems: Record<string, string> = {
  ERROR_AUTHENTICATOR_PREVIOUSLY_REGISTERED: 'This device holds a passkey of your account already.',
  ERROR_INVALID_DOMAIN: 'Passkeys are bound to this console’s public address. Open it by that one.',
  ERROR_INVALID_RP_ID: 'Passkeys are bound to this console’s public address. Open it by that one.',
}

/** A form with `data-passkey`: sending it first asks the browser for the passkey, and puts the answer into the field `credential`. */
function askForPasskey(form: HTMLFormElement): void {
  const field = form.querySelector<HTMLInputElement>('input[name=credential]')
  const problem = form.querySelector<HTMLElement>('[data-problem]')
  const { passkey, options = '' } = form.dataset
  if (!field || !problem) return
  let asking = false
  const ask = async () => {
    if (asking) return
    asking = true
    problem.textContent = ''
    try {
      const answer =
        passkey === 'create'
          ? await startRegistration({ optionsJSON: JSON.parse(options) as PublicKeyCredentialCreationOptionsJSON })
          : await startAuthentication({ optionsJSON: JSON.parse(options) as PublicKeyCredentialRequestOptionsJSON })
      field.value = JSON.stringify(answer)
      form.requestSubmit()
    } catch (error) {
      problem.textContent = (error instanceof WebAuthnError && problems[error.code]) || 'No passkey was used: you ended it, it took too long, or there is none here. Try again, or use another way.'
      asking = false
    }
  }
  form.addEventListener('submit', (event) => {
    if (field.value !== '') return
    event.preventDefault()
    void ask()
  })
  // whoever came here by a button has asked for it already
  if (form.dataset['start']) void ask()
}

/** A second click sends nothing a second time. A page that comes back from the browser's memory starts anew. */
function sendOnce(form: HTMLFormElement): void {
  let sent = false
  form.addEventListener('submit', (event) => {
    if (event.defaultPrevented) return
    if (sent) event.preventDefault()
    sent = true
  })
  addEventListener('pageshow', () => {
    sent = false
  })
}

function offerCopy(button: HTMLButtonElement): void {
  button.hidden = false
  button.addEventListener('click', () => {
    void navigator.clipboard.writeText(button.dataset['copy'] ?? '').then(() => {
      button.textContent = 'Copied'
    })
  })
}

function offerPrint(button: HTMLButtonElement): void {
  button.hidden = false
  button.addEventListener('click', () => print())
}

for (const form of document.querySelectorAll<HTMLFormElement>('form[data-passkey]')) askForPasskey(form)
for (const form of document.querySelectorAll<HTMLFormElement>('form[data-autofill]')) offerPasskeys(form)
for (const form of document.querySelectorAll<HTMLFormElement>('form[method=post]')) sendOnce(form)
for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-copy]')) offerCopy(button)
for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-print]')) offerPrint(button)
