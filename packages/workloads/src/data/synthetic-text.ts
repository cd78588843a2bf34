/** Different words: a power of two, so that ranks can be drawn octave by octave. */
const RANK_BITS = 13
const CONSONANTS = 'bdfghklmnprstvz'
const VOWELS = 'aeiou'

/**
 * About `length` bytes of English-looking text without meaning, the same for the same seed on every machine. How often
 * words occur follows Zipf's law roughly (each octave of ranks is equally likely), as in human languages.
 */
export function syntheticText(length: number, seed: number): string {
  const below = xorshift(seed)
  let text = ''
  let sentence = ''
  while (text.length + sentence.length < length) {
    const word = wordOfRank(drawRank(below))
    sentence += sentence === '' ? word.charAt(0).toUpperCase() + word.slice(1) : ` ${word}`
    if (below(12) === 0) {
      text += `${sentence}${below(6) === 0 ? '.\n' : '. '}`
      sentence = ''
    } else if (below(9) === 0) sentence += ','
  }
  return `${text}${sentence}.\n`
}

function drawRank(below: (bound: number) => number): number {
  const octave = below(RANK_BITS)
  return 2 ** octave + below(2 ** octave)
}

/** The frequent words are the short ones. */
function wordOfRank(rank: number): string {
  const syllables = CONSONANTS.length * VOWELS.length
  let word = ''
  for (let rest = rank; rest > 0; rest = Math.floor(rest / syllables)) {
    const digit = rest % syllables
    word +=
      CONSONANTS.charAt(digit % CONSONANTS.length) + VOWELS.charAt(Math.floor(digit / CONSONANTS.length))
  }
  return word
}

/** G. Marsaglia, Xorshift RNGs, 2003: 32 bits. For test data only. */
function xorshift(seed: number): (bound: number) => number {
  let state = seed >>> 0 || 1
  return (bound) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % bound
  }
}
