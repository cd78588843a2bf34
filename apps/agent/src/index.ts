/** Floor 9: the node agent. `startAgent` is the composition root; the control API is how everything else talks to it. */
export { type Agent, type AgentDecorators, startAgent } from './agent.ts'
export { type RestoreInit, restoreBackup } from './backup.ts'
export { type DeviceKeyChoice, readSecretFile } from './device-key.ts'
export { type AgentInit, DEFAULT_INIT } from './init.ts'
export { agentPaths } from './paths.ts'
export {
  type AcceptedState,
  acceptRestored,
  type FoundDatabase,
  type RestoredInit,
} from './restored.ts'
export { VERSION } from './version.ts'
