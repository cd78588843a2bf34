#!/usr/bin/env node
// Runs the command on the Node that came with the installation: the system's may be too old to run TypeScript.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const [major, minor] = process.versions.node.split('.').map(Number)

if (major > 24 || (major === 24 && minor >= 15)) {
  // Compiled code kept beside the dependencies halves the time to start. Never in a folder that others can write.
  module.enableCompileCache(fileURLToPath(new URL('../../../node_modules/.cache/askee', import.meta.url)))
  await import(main)
} else {
  const packaged = dirname(createRequire(import.meta.url).resolve('node/package.json'))
  const node = join(packaged, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (!existsSync(node)) {
    process.stderr.write(`askee needs Node 24.15 or newer (this is ${process.version}). Run: npm ci\n`)
    process.exit(1)
  }
  const child = spawnSync(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
  process.exit(child.status ?? 1)
}
