//! ChaCha20 (RFC 8439, 2.1 to 2.4).

const BLOCK: usize = 64;
/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

// Inlined with its numbers known, so that the whole state stays in registers.
#[inline(always)]
fn quarter_round(s: &mut [u32; 16], [a, b, c, d]: [usize; 4]) {
    s[a] = s[a].wrapping_add(s[b]);
    s[d] = (s[d] ^ s[a]).rotate_left(16);
    s[c] = s[c].wrapping_add(s[d]);
    s[b] = (s[b] ^ s[c]).rotate_left(12);
    s[a] = s[a].wrapping_add(s[b]);
    s[d] = (s[d] ^ s[a]).rotate_left(8);
    s[c] = s[c].wrapping_add(s[d]);
    s[b] = (s[b] ^ s[c]).rotate_left(7);
}

/// The state before the first round, with the counter 0.
fn start(key: &[u8; 32], nonce: &[u8; 12]) -> [u32; 16] {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let mut state = [0; 16];
    state[..4].copy_from_slice(&CONSTANTS);
    state[4..12].iter_mut().zip(key.chunks_exact(4)).for_each(|(to, from)| *to = word(from));
    state[13..].iter_mut().zip(nonce.chunks_exact(4)).for_each(|(to, from)| *to = word(from));
    state
}

/// The key stream of one block.
fn block(start: &[u32; 16]) -> [u8; BLOCK] {
    let mut state = *start;
    for _ in 0..10 {
        quarter_round(&mut state, [0, 4, 8, 12]);
        quarter_round(&mut state, [1, 5, 9, 13]);
        quarter_round(&mut state, [2, 6, 10, 14]);
        quarter_round(&mut state, [3, 7, 11, 15]);
        quarter_round(&mut state, [0, 5, 10, 15]);
        quarter_round(&mut state, [1, 6, 11, 12]);
        quarter_round(&mut state, [2, 7, 8, 13]);
        quarter_round(&mut state, [3, 4, 9, 14]);
    }
    let mut stream = [0; BLOCK];
    for ((bytes, word), first) in stream.chunks_exact_mut(4).zip(state).zip(start) {
        bytes.copy_from_slice(&word.wrapping_add(*first).to_le_bytes());
    }
    stream
}

/// Encrypts or decrypts `bytes` in place. A key serves with one nonce once.
/// `counter` is the number of the first block; 2^32 blocks (256 GiB) are the most.
pub fn apply(key: &[u8; 32], nonce: &[u8; 12], counter: u32, bytes: &mut [u8]) {
    let mut state = start(key, nonce);
    state[12] = counter;
    for part in bytes.chunks_mut(BLOCK) {
        part.iter_mut().zip(block(&state)).for_each(|(byte, with)| *byte ^= with);
        state[12] = state[12].wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sha256::hex;

    fn nonce(text: &str) -> [u8; 12] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    }

    fn applied(key: &[u8; 32], nonce: &[u8; 12], counter: u32, text: &[u8]) -> String {
        let mut bytes = text.to_vec();
        apply(key, nonce, counter, &mut bytes);
        hex(&bytes)
    }

    #[test]
    fn sto_1_chacha20_gives_the_vectors_of_rfc_8439() {
        let counting: [u8; 32] = std::array::from_fn(|i| i as u8);
        // 2.3.2
        assert_eq!(
            applied(&counting, &nonce("000000090000004a00000000"), 1, &[0; 64]),
            "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e\
             d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
        );
        // 2.4.2
        let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                     sunscreen would be it.";
        assert_eq!(
            applied(&counting, &nonce("000000000000004a00000000"), 1, text),
            "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b\
             f91b65c5524733ab8f593dabcd62b3571639d624e65152ab8f530c359f0861d8\
             07ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736\
             5af90bbf74a35be6b40b8eedf2785e42874d"
        );
        // A.1, 1 and 2: two blocks that follow each other.
        assert_eq!(
            applied(&[0; 32], &[0; 12], 0, &[0; 128]),
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7\
             da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586\
             9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed\
             29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"
        );
        // A.1, 3: the last bit of the key.
        let mut key = [0; 32];
        key[31] = 1;
        assert_eq!(
            applied(&key, &[0; 12], 1, &[0; 64]),
            "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a\
             8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0"
        );
    }

    #[test]
    fn sto_1_chacha20_is_the_same_wherever_it_begins() {
        let (key, nonce) = ([9; 32], [3; 12]);
        let bytes: Vec<u8> = (0..3 * 256).map(|n| (n * 7) as u8).collect();
        for length in (0..bytes.len()).step_by(13) {
            let mut whole = bytes[..length].to_vec();
            apply(&key, &nonce, 0, &mut whole);
            let mut parts = bytes[..length].to_vec();
            for (i, block) in parts.chunks_mut(BLOCK).enumerate() {
                apply(&key, &nonce, i as u32, block);
            }
            assert_eq!(whole, parts, "length {length}");
            apply(&key, &nonce, 0, &mut whole);
            assert_eq!(whole, bytes[..length], "length {length}");
        }
    }
}
