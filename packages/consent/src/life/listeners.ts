import { errorText, type Logger } from '@askee/core'

/** Those who hear of something. One that fails keeps none of the others from hearing it. */
export class Listeners<T> {
  readonly #logger: Logger
  readonly #all = new Set<(news: T) => void>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** The returned function ends it. */
  add(listener: (news: T) => void): () => void {
    this.#all.add(listener)
    return () => this.#all.delete(listener)
  }

  tell(news: T): void {
    for (const listener of this.#all) {
      try {
        listener(news)
      } catch (error) {
        this.#logger.error({ error: errorText(error) }, 'a listener of consents failed')
      }
    }
  }
}
