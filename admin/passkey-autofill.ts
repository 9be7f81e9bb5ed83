import { browserSupportsWebAuthnAutofill, startAuthentication, WebAuthnAbortService, type PublicKeyCredentialRequestOptionsJSON } from '@simplewebauthn/browser'

/**
 * A form with `data-autofill`: where the browser can, it offers passkeys among the names that it knows for the e-mail field
 * (WebAuthn level 3, conditional mediation), and who picks one sends this form with it. The form's button works without.
 */
export function offerPasskeys(form: HTMLFormElement): void {
  const [csrf, challenge, credential] = ['csrf', 'challengeId', 'credential'].map((name) => form.querySelector<HTMLInputElement>(`input[name=${name}]`))
  const { autofill: path } = form.dataset
  if (!csrf || !challenge || !credential || !path) return

  const offer = async (signal: AbortSignal) => {
    if (!(await browserSupportsWebAuthnAutofill())) return
    await looked()
    const answer = await fetch(path, { method: 'POST', body: new URLSearchParams({ csrf: csrf.value }), signal })
    if (!answer.ok) return
    const { challengeId, options } = (await answer.json()) as { challengeId: string; options: string }
    const optionsJSON = JSON.parse(options) as PublicKeyCredentialRequestOptionsJSON
    signal.throwIfAborted()
    // a challenge ends after minutes, and a page may be open for hours: another takes its place in time
    const renewal = setTimeout(() => void offer(signal).catch(nothing), (optionsJSON.timeout ?? 60_000) * 0.8)
    signal.addEventListener('abort', () => clearTimeout(renewal))
    const picked = await startAuthentication({ optionsJSON, useBrowserAutofill: true })
    challenge.value = challengeId
    credential.value = JSON.stringify(picked)
    form.requestSubmit()
  }

  let offered = new AbortController()
  // also when the page comes back from the browser's memory
  addEventListener('pageshow', () => {
    challenge.value = credential.value = ''
    offered = new AbortController()
    void offer(offered.signal).catch(nothing)
  })
  // whichever form is sent: no request that still waits shall meet it, or the one that the next page makes
  addEventListener('submit', () => {
    offered.abort()
    WebAuthnAbortService.cancelCeremony()
  })
}

/** Nobody picked one, or none can be offered: whoever is here has the other ways before them. */
const nothing = () => {}

/** Until somebody looks at the page. */
async function looked(): Promise<void> {
  while (document.visibilityState !== 'visible') await new Promise((change) => document.addEventListener('visibilitychange', change, { once: true }))
}
