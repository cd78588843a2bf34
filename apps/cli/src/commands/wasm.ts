import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { count } from '../terminal/count.ts'
import { printData, printJson, printNote } from '../terminal/output.ts'
import { readModule } from './files.ts'

/** `askee wasm`: what a node does with a module before it runs it. */
export function wasmCommand(): Command {
  const wasm = new Command('wasm').description(
    'check and instrument WebAssembly modules (docs/determinism.md)',
  )
  wasm
    .command('check <file>')
    .description('tell whether a module is admitted, and if not, what is wrong and at which byte')
    .option('--no-abi', 'do not ask for the imports and exports of a task')
    .option('--json', 'print one object')
    .action(async (file: string, options: { abi: boolean; json?: boolean }) => {
      const { check } = await import('@askee/wasm')
      const admission = check(await readModule(file), { abi: options.abi ? 'askee' : 'none' })
      if (options.json === true) printJson({ admitted: true, ...admission })
      else {
        const memory =
          admission.memory === null
            ? 'no memory'
            : `memory ${admission.memory.min} to ${admission.memory.max ?? '∞'} pages`
        printData(
          `${file}: admitted (${admission.entry ?? 'no entry'}, ${count(admission.functions, 'function')}, ${memory})`,
        )
      }
    })
  wasm
    .command('instrument <input> <output>')
    .description('write the module as nodes run it: with fuel, a stack limit and canonical NaN')
    .option('--no-abi', 'do not ask for the imports and exports of a task')
    .option('--json', 'print one object')
    .action(async (input: string, output: string, options: { abi: boolean; json?: boolean }) => {
      const { instrument } = await import('@askee/wasm')
      const original = await readModule(input)
      const { bytes, admission } = instrument(original, { abi: options.abi ? 'askee' : 'none' })
      await writeFile(output, bytes)
      if (options.json === true)
        printJson({ ...admission, bytesBefore: original.byteLength, bytesAfter: bytes.byteLength })
      else printNote(`${output}: ${original.byteLength} → ${bytes.byteLength} bytes`)
    })
  return wasm
}
