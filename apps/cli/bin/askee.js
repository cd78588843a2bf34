#!/usr/bin/env node
// Runs the command on the Node that came with the installation: the system's may be too old to run TypeScript.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [major, minor] = process.versions.node.split('.').map(Number)

if (major > 24 || (major === 24 && minor >= 15)) {
  const { run } = await import('./bundle.js')
  await run('apps/cli/src/main.ts')
} else {
  const packaged = dirname(createRequire(import.meta.url).resolve('node/package.json'))
  const node = join(packaged, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (!existsSync(node)) {
    process.stderr.write(`askee needs Node 24.15 or newer (this is ${process.version}). Run: npm ci\n`)
    process.exit(1)
  }
  const askee = fileURLToPath(import.meta.url)
  const child = spawn(node, [askee, ...process.argv.slice(2)], { stdio: 'inherit' })
  // Who tells this process to stop means that one. A Ctrl-C reaches both by itself, and a second one would kill.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  child.once('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}
