import { writeFile } from 'node:fs/promises'
import type { AuthorityInit } from '@askee/agent/authority'
import { NODE_CAPABILITIES, type NodeCapability } from '@askee/client'
import { Argument, Command, Option } from 'commander'
import { printData, printJson, printNote } from '../../terminal/output.ts'
import { type DeviceKeyOptions, deviceKeyChoice, deviceKeyOptions } from '../device-key.ts'
import { readNamedFile } from '../files.ts'
import { listOf } from '../options.ts'

interface AuthorityOptions extends DeviceKeyOptions {
  devicePassphraseFile?: string
  json?: boolean
}

const REASONS = ['compromised', 'superseded', 'ended', 'withdrawn'] as const

/** A command that needs the keys of the authority. */
function withKeys(name: string, description: string): Command {
  return deviceKeyOptions(new Command(name))
    .description(description)
    .argument('<directory>', 'of the authority')
    .option(
      '--device-passphrase-file <path>',
      'with --device-key passphrase: file whose first line is the passphrase',
    )
    .option('--json', 'print one JSON value and nothing else on standard output')
}

function initOf(directory: string, options: AuthorityOptions): AuthorityInit {
  process.umask(0o077)
  const passphrase = { option: '--device-passphrase-file', file: options.devicePassphraseFile }
  return { directory, deviceKey: deviceKeyChoice(options, passphrase) }
}

/** `askee authority init`: root, intermediate and their lists. */
export function initCommand(): Command {
  return withKeys('init', 'make an authority; with --device-key pkcs11 its keys never leave the token')
    .requiredOption('--name <text>', 'name of the organisation, at most 40 characters')
    .option('--take-keys', 'with keys that are there already, after an init that was broken off')
    .action(async (directory: string, options: AuthorityOptions & { name: string; takeKeys?: true }) => {
      const { initAuthority } = await import('@askee/agent/authority')
      const keys = options.takeKeys === true ? 'take' : 'new'
      await initAuthority({ ...initOf(directory, options), name: options.name, keys })
      if (options.json === true) return printJson({ directory })
      printData(`authority made in ${directory}`)
      printNote('Give root.pem to those who shall verify, by another way than the certificates.')
    })
}

/** `askee authority issue`: a certificate for who asked with `askee keys request`. */
export function issueCommand(): Command {
  return withKeys('issue', 'sign the certificate that a node asks for')
    .argument('<request>', 'file written by askee keys request, at most five minutes ago')
    .argument('<certificate>', 'file to write')
    .requiredOption(
      '--allow <capabilities>',
      `which of those it asks for it gets: ${NODE_CAPABILITIES.join(', ')}`,
      listOf(NODE_CAPABILITIES),
    )
    .action(
      async (
        directory: string,
        request: string,
        file: string,
        options: AuthorityOptions & { allow: NodeCapability[] },
      ) => {
        const { openAuthority, verifyIssued } = await import('@askee/agent/authority')
        const asked = await readNamedFile(request)
        const { pem, serial } = await openAuthority(initOf(directory, options), (authority) =>
          authority.issue(asked, options.allow),
        )
        const { node, capabilities, notAfter } = await verifyIssued(directory, pem)
        await writeFile(file, pem)
        if (options.json === true) return printJson({ node, serial, capabilities, notAfter, file })
        printData(
          `certificate ${serial} of ${node} until ${new Date(notAfter).toISOString()}: ${capabilities.join(', ')}`,
        )
      },
    )
}

/** `askee authority revoke`: no longer valid for who has the new list. */
export function revokeCommand(): Command {
  return withKeys('revoke', 'revoke a certificate, of a node or an intermediate, and write the new list')
    .argument('<serial>', 'serial number in hexadecimal, as issue and verify say it')
    .addArgument(new Argument('<reason>', 'why').choices(REASONS))
    .option('--any-serial', 'also a number that this authority cannot tell to be its own')
    .action(
      async (
        directory: string,
        serial: string,
        reason: (typeof REASONS)[number],
        options: AuthorityOptions & { anySerial?: true },
      ) => {
        const { openAuthority } = await import('@askee/agent/authority')
        const origin = options.anySerial === true ? 'any' : 'own'
        await openAuthority(initOf(directory, options), (open) => open.revoke(serial, reason, origin))
        if (options.json === true) return printJson({ serial, reason })
        printData(`certificate ${serial} is revoked`)
        printNote('It counts for those who fetch the new list: at the latest when theirs is a day old.')
      },
    )
}

/** `askee authority renew-intermediate`: before the old one ends, or because its key was stolen. */
export function renewCommand(): Command {
  return withKeys(
    'renew-intermediate',
    "make a new intermediate, with a key of its own; needs the root's key",
  )
    .addOption(
      new Option(
        '--revoke-old <reason>',
        'all certificates that the one before it signed are refused',
      ).choices(REASONS),
    )
    .action(
      async (directory: string, options: AuthorityOptions & { revokeOld?: (typeof REASONS)[number] }) => {
        const { renewIntermediate } = await import('@askee/agent/authority')
        const { revokeOld } = options
        const renewed = await renewIntermediate({
          ...initOf(directory, options),
          ...(revokeOld === undefined ? {} : { revokeOld }),
        })
        if (options.json === true) return printJson({ directory, ...renewed })
        const { name, serial, notAfter, old } = renewed
        printData(`intermediate ${serial} in ${name}.pem, until ${new Date(notAfter).toISOString()}`)
        printData(`before it: ${old.serial}, ${old.isRevoked ? 'revoked' : 'not revoked'}`)
        printNote(`Publish ${name}.pem and ${name}-list.pem too.`)
        if (old.isRevoked) return printNote('Its nodes need new certificates; root-list.pem says so.')
        printNote(
          `In four days its certificates are over: askee authority revoke ${directory} ${old.serial} superseded`,
        )
      },
    )
}

/** `askee authority lists`: lists of today. */
export function listsCommand(): Command {
  return withKeys('lists', 'write the lists of revoked certificates anew; they are valid for a day').action(
    async (directory: string, options: AuthorityOptions) => {
      const { openAuthority } = await import('@askee/agent/authority')
      await openAuthority(initOf(directory, options), (authority) => authority.publishLists())
      if (options.json === true) return printJson({ directory })
      printData(`lists written into ${directory}, valid for a day`)
    },
  )
}

/** `askee authority recover`: after the folder, or what it knew of its lists, was lost. */
export function recoverCommand(): Command {
  return withKeys(
    'recover',
    'go on from the lists in the folder, which must be the newest that were published',
  )
    .option('--accept-loss', 'from older lists, or none: what was revoked since counts again')
    .action(async (directory: string, options: AuthorityOptions & { acceptLoss?: true }) => {
      const { recoverAuthority } = await import('@askee/agent/authority')
      const loss = options.acceptLoss === true ? 'accept' : 'refuse'
      const { root, intermediate } = await recoverAuthority({ ...initOf(directory, options), loss })
      if (options.json === true) return printJson({ directory, root, intermediate })
      printData(`authority in ${directory} goes on, with these certificates revoked:`)
      printData(`  ${root.revoked} of intermediates (list ${root.number})`)
      printData(`  ${intermediate.revoked} of nodes (list ${intermediate.number})`)
      printNote('Where you know of others that were revoked: revoke them again now.')
    })
}
