import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { PARSER, PROFILE } from '../cgroup/apparmor.ts'

const isMissing = !existsSync(PARSER)
if (isMissing) console.warn(`AppArmor profile: not checked here: no ${PARSER} (Debian package apparmor)`)

function parse(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(PARSER, [...args, PROFILE], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout
}

describe('the AppArmor profile', () => {
  it.skipIf(isMissing)('SBX-1 is one that the real parser takes, without loading it', () => {
    expect(() => parse('--skip-kernel-load', '--skip-cache', '--warn=all')).not.toThrow()
    expect(parse('--names').trim().split('\n').sort()).toEqual(['askee-runner', 'askee-v8', 'askee-warden'])
  })

  it('SBX-1 gives no network, no way around file permissions, and runners nothing but what is in their roots', () => {
    const rules = readFileSync(PROFILE, 'utf8').replaceAll(/^\s*#.*$/gm, '')
    expect(rules).not.toMatch(/\b(network|unix|dbus|change_profile)\b|\bcapability\s*,|dac_|net_|sys_module/)
    expect(rules).not.toMatch(/\b(complain|unconfined_restrictions)\b|\s[rwm]*[uU]x\b/)
    expect(kindsOf('askee-runner', rules)).toEqual(new Set(['/', '/dev/null', 'ptrace', 'signal']))
    const files = ['/', '/dev/null', '/runner/*.cjs', '/runner/seal.node']
    expect(kindsOf('askee-v8', rules)).toEqual(new Set([...files, 'ptrace', 'signal']))
  })
})

/** The first words of the rules of a profile; up to an alternative, of a path that has one. */
function kindsOf(profile: string, rules: string): ReadonlySet<string> {
  const body = new RegExp(`^profile ${profile}[^{]*\\{([^]*?)\\n\\}`, 'm').exec(rules)?.[1] ?? ''
  const kinds = body.split('\n').map((line) => line.trim().split(/[ ({]/)[0] ?? '')
  return new Set(kinds.filter((kind) => kind !== ''))
}
