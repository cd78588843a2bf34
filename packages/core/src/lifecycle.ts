/** A part with a life: created by a factory, started once, stopped once. */
export interface Startable {
  /** Resolves when the part is ready. An abort of `signal` gives up and leaves nothing behind. */
  start(signal?: AbortSignal): Promise<void>
  /** Releases everything; safe to call when not started and more than once. */
  stop(): Promise<void>
}

/**
 * Starts parts in order; when one fails the started ones are stopped in reverse and the error is thrown.
 * @returns a function that stops all in reverse order, going on past errors and throwing the first
 */
export async function startAll(
  parts: readonly Startable[],
  signal?: AbortSignal,
): Promise<() => Promise<void>> {
  const started: Startable[] = []
  const stopAll = async (): Promise<void> => {
    const errors: unknown[] = []
    for (const part of started.splice(0).reverse()) {
      try {
        await part.stop()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
  for (const part of parts) {
    try {
      signal?.throwIfAborted()
      await part.start(signal)
      started.push(part)
    } catch (error) {
      await part.stop().catch(() => undefined)
      await stopAll().catch(() => undefined)
      throw error
    }
  }
  return stopAll
}
