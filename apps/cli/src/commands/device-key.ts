import type { DeviceKeyChoice } from '@askee/agent'
import { type Command, Option } from 'commander'
import { usageError } from '../exit.ts'

export interface DeviceKeyOptions {
  deviceKey: DeviceKeyChoice['provider']
  pkcs11Module?: string
  pkcs11Token?: string
  pinFile?: string
}

/** Options that say where the device key lives; the caller adds the one for its passphrase. */
export function deviceKeyOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--device-key <provider>', 'where the key lives that locks all others on disk')
        .choices(['software', 'keychain', 'passphrase', 'pkcs11'])
        .default('software'),
    )
    .option('--pkcs11-module <path>', 'with --device-key pkcs11: library of the token')
    .option('--pkcs11-token <label>', 'with --device-key pkcs11: label of the token')
    .option('--pin-file <path>', 'with --device-key pkcs11: file whose first line is the PIN')
}

/**
 * @param passphrase the option for the device key's passphrase, and what was given with it
 * @throws AskeeError `cli/usage` naming the option that is missing
 */
export function deviceKeyChoice(
  options: DeviceKeyOptions,
  passphrase: { readonly option: string; readonly file: string | undefined },
): DeviceKeyChoice {
  const needed = (name: string, value: string | undefined): string => {
    if (value !== undefined) return value
    throw usageError(`--device-key ${options.deviceKey} needs ${name}`)
  }
  switch (options.deviceKey) {
    case 'passphrase':
      return { provider: 'passphrase', passphraseFile: needed(passphrase.option, passphrase.file) }
    case 'pkcs11':
      return {
        provider: 'pkcs11',
        module: needed('--pkcs11-module', options.pkcs11Module),
        token: needed('--pkcs11-token', options.pkcs11Token),
        pinFile: needed('--pin-file', options.pinFile),
      }
    default:
      return { provider: options.deviceKey }
  }
}
