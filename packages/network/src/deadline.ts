import { AskeeError, type Milliseconds, type Timers } from '@askee/core'

/** Runs with a signal that aborts when `signal` does or `timeout` has passed. */
export async function withDeadline<T>(
  timers: Timers,
  timeout: Milliseconds,
  signal: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted()
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  const cancelTimer = timers.after(timeout, () =>
    controller.abort(new AskeeError('mesh/timeout', `not done within ${timeout} ms`)),
  )
  try {
    return await run(controller.signal)
  } finally {
    cancelTimer()
    signal?.removeEventListener('abort', onAbort)
  }
}
