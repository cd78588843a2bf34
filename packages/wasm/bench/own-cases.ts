import wabt from 'wabt'
import type { PassCase } from './pass.ts'

const SOURCES: Readonly<Record<string, string>> = {
  'integer loop': `(func (export "run") (local $i i32) (local $x i32)
    (loop (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (local.get $i)))
      (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20000000))))
    (i32.store (i32.const 0) (local.get $x)))`,
  fib: `(func $fib (param i32) (result i32)
      (if (result i32) (i32.lt_s (local.get 0) (i32.const 2)) (then (local.get 0)) (else
        (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
    (func (export "run") (i32.store (i32.const 0) (call $fib (i32.const 31))))`,
  'float matrix': `(func (export "run") (local $i i32) (local $j i32) (local $k i32) (local $s f64)
    (loop $a (local.set $j (i32.const 0))
      (loop $b (local.set $k (i32.const 0)) (local.set $s (f64.const 0))
        (loop $c
          (local.set $s (f64.add (local.get $s) (f64.mul
            (f64.load (i32.shl (i32.add (i32.mul (local.get $i) (i32.const 120)) (local.get $k)) (i32.const 3)))
            (f64.load offset=131072 (i32.shl (i32.add (i32.mul (local.get $k) (i32.const 120)) (local.get $j)) (i32.const 3))))))
          (br_if $c (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 120))))
        (f64.store offset=262144 (i32.shl (i32.add (i32.mul (local.get $i) (i32.const 120)) (local.get $j)) (i32.const 3)) (local.get $s))
        (br_if $b (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 120))))
      (br_if $a (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 120)))))`,
  sieve: `(func (export "run") (local $i i32) (local $j i32)
    (local.set $i (i32.const 2))
    (loop $outer
      (if (i32.eqz (i32.load8_u (local.get $i))) (then
        (local.set $j (i32.mul (local.get $i) (i32.const 2)))
        (block $done (loop $inner
          (br_if $done (i32.ge_u (local.get $j) (i32.const 4000000)))
          (i32.store8 (local.get $j) (i32.const 1))
          (local.set $j (i32.add (local.get $j) (local.get $i)))
          (br $inner)))))
      (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4000000)))))`,
}

/** Small loops of four kinds, for when the workloads are not built. */
export async function ownCases(): Promise<PassCase[]> {
  const { parseWat } = await wabt()
  return Object.entries(SOURCES).map(([name, source]) => {
    const text = `(module (memory (export "memory") 64 64) ${source})`
    return { name, module: parseWat(name, text).toBinary({}).buffer, input: new Uint8Array(0) }
  })
}
