const view = new DataView(new ArrayBuffer(8))

/** 2^k from its bits: exact, which Math.pow does not promise. */
function powerOfTwo(k: number): number {
  view.setBigUint64(0, BigInt(k + 1023) << 52n)
  return view.getFloat64(0)
}

/** 1 / k! */
function inverseFactorial(k: number): number {
  let factorial = 1
  for (let i = 2; i <= k; i++) factorial *= i
  return 1 / factorial
}

/** e^x for x ≤ 0 as `assembly/lib/exp.ts` specifies it, operation by operation. */
export function expOfNegative(x: number): number {
  if (x < -708) return 0
  const k = Math.floor(x * Math.LOG2E + 0.5)
  const r = x - k * 0.6931471803691238 - k * 1.9082149292705877e-10
  let sum = inverseFactorial(13)
  for (let i = 12; i >= 0; i--) sum = sum * r + inverseFactorial(i)
  return sum * powerOfTwo(k)
}
