import { AskeeError, errorText, silentLogger, systemClock, systemTimers } from '@askee/core'
import { chooseExecutor } from '@askee/sandbox'

/**
 * Makes sure that nodes can have different engines here. V8 is always there: it runs this program.
 * @throws AskeeError `simulate/engines` when there is no other one
 */
export async function assertTwoEngines(): Promise<void> {
  const components = { clock: systemClock, timers: systemTimers, logger: silentLogger }
  const wasmtime = chooseExecutor(components, { policy: 'native' })
  try {
    await wasmtime.start()
  } catch (cause) {
    throw new AskeeError(
      'simulate/engines',
      `--engines diverse needs two engines, and this machine has v8 alone: ${errorText(cause)}. Build the other one with: npm run build:native`,
      {},
      { cause },
    )
  } finally {
    await wasmtime.stop()
  }
}
