/** An agent to be killed: `agent.ts PHASE STREAM WARDEN POLICY`. Says `ready` when its warden is in the phase. */
import { readFileSync } from 'node:fs'
import { Warden } from '../escape/warden.ts'
import { type Phase, play } from './phases.ts'

const [phase, stream, program, policy] = process.argv.slice(2) as [Phase, string, string, string]
const warden = new Warden(policy, [], program)
if (phase === 'start') console.log('ready')
await play(warden, phase, readFileSync(stream))
console.log('ready')
await warden.ended
