/** The suites that adapters of this package's ports must pass. */
export { type DeviceKeyTestHome, deviceKeyAcceptance } from './device-key-acceptance.ts'
