// A faulty agent for simulations: see src/simulate/faults/main.ts.
import { run } from './bundle.js'

await run('apps/cli/src/simulate/faults/main.ts')
