import { spawnSync } from 'node:child_process'
import { locateNative } from '../../src/index.ts'

/** The warden, or why V8 cannot be held here: it needs a root of its own, and so namespaces. */
export function locateV8(): { readonly warden: string } | { readonly missing: string } {
  if (process.platform !== 'linux') return { missing: 'Linux only' }
  const binaries = locateNative()
  if ('missing' in binaries) return binaries
  const { stdout } = spawnSync(binaries.warden, ['--probe'], { encoding: 'utf8', env: {} })
  const { tier } = JSON.parse(stdout) as { tier: string }
  return tier === 'contained' ? binaries : { missing: `the warden reaches the tier ${tier} only` }
}
