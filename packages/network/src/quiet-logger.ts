import type { ComponentLogger, Logger as Libp2pLogger } from '@libp2p/interface'

/**
 * libp2p formats a line for every stream event; a logger that drops them unformatted halves the cost of a
 * dial. What matters is logged by this package itself.
 */
export function quietLogger(): ComponentLogger {
  const nothing = (): void => {}
  const logger: Libp2pLogger = Object.assign(nothing, {
    error: nothing,
    trace: nothing,
    enabled: false,
    newScope: () => logger,
  })
  return { forComponent: () => logger }
}
