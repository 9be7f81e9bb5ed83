import { Link } from '@remix-run/react'
import { Button, buttonLook } from './button.tsx'
import { Card } from './card.tsx'
import { PageScript } from './page-script.tsx'

/** Codes that are shown this once, with what keeps them: copying and printing need scripts, the file and the eye do not. */
export function RecoveryCodes({ codes, next }: { codes: string[]; next: string }) {
  const file = `Recovery codes of torrent-streamer. Each is good once.\r\n\r\n${codes.join('\r\n')}\r\n`
  return (
    <Card
      title="Keep your recovery codes"
      lead={
        <p>
          Without your phone or passkey, one of these lets you in. Each is good once. <strong className="font-semibold text-ink">They are shown only now</strong>: put them where your password is not.
        </p>
      }
    >
      <ol aria-label="Recovery codes" className="grid gap-x-8 gap-y-1.5 rounded-md border border-line bg-sunken px-5 py-4 font-mono text-[0.9375rem] sm:w-fit sm:grid-cols-2">
        {codes.map((code) => (
          <li key={code} className="whitespace-nowrap select-all">
            {code}
          </li>
        ))}
      </ol>
      <p className="flex flex-wrap gap-2 print:hidden">
        <a href={`data:text/plain;charset=utf-8,${encodeURIComponent(file)}`} download="torrent-streamer-recovery-codes.txt" className={buttonLook('plain')}>
          Download
        </a>
        <Button type="button" data-copy={codes.join('\n')} hidden>
          Copy
        </Button>
        <Button type="button" data-print hidden>
          Print
        </Button>
      </p>
      <p className="border-t border-line pt-4 print:hidden">
        <Link to={next} className={buttonLook('primary')}>
          I have kept them, go on
        </Link>
      </p>
      <PageScript />
    </Card>
  )
}
