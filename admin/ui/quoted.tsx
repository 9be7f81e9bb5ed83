/** A title within a sentence, whatever its direction of writing. Not `<q>`: inside a link Chromium (147) does not see clicks on it. */
export function Quoted({ children }: { children: string }) {
  return (
    <>
      “<bdi className="font-semibold">{children}</bdi>”
    </>
  )
}
