/** Aborts at the first Ctrl-C, or other signal to end: the process then ends what it has started, with the exit code that shells expect of the signal. */
export function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const) {
    process.on(signal, () => {
      if (!stop.signal.aborted) console.error('Stopping.')
      process.exitCode = code
      stop.abort(new Error('stopped by a signal'))
    })
  }
  return stop.signal
}
