/** Starts its arguments as a child and prints the ids of all processes below itself, once they compute. */
const { spawn } = require('node:child_process')
const { readdirSync, readFileSync } = require('node:fs')

spawn(process.argv[2], process.argv.slice(3), { stdio: ['pipe', 'ignore', 'inherit'] })
setTimeout(() => console.log(below(process.pid).join(' ')), 600)

function below(parent) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === parent)
    .flatMap((name) => [Number(name), ...below(Number(name))])
}

function parentOf(pid) {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return 0
  }
}
