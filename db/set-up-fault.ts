/** A fault that people can do something about: its message is one whole sentence, shown without a stack. */
export class SetUpFault extends Error {
  override name = 'SetUpFault'
}
