import { createPortableExecutor } from '../src/index.ts'
import { executorAcceptance } from '../src/testing/index.ts'
import { components } from './quiet-logger.ts'

executorAcceptance('portable', () => createPortableExecutor(components))
executorAcceptance('portable without tools of Linux', () =>
  createPortableExecutor(components, { wrapper: 'none' }),
)
