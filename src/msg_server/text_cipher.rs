//! Encryption of texts. Only a push to a phone needs a text in the clear.
//!
//! Clients encrypt with AES-256-ECB under one key that all of them share, which keeps nothing
//! secret. The text is padded with zeros, its length is in the last 4 bytes, big-endian, and the
//! result is in base64.

use aes::{
    Aes256,
    cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit},
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// The key of all clients as they are shipped.
pub const DEFAULT_TEXT_KEY: [u8; 32] = *b"12345678901234567890123456789012";

const BLOCK: usize = 16;

/// Decrypts a text payload; `None` if it is none.
pub fn decrypt(key: &[u8; 32], payload: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = STANDARD.decode(payload).ok()?;
    if bytes.len() % BLOCK != 0 {
        return None;
    }
    let cipher = Aes256::new(&Array::from(*key));
    for block in bytes.chunks_exact_mut(BLOCK) {
        let mut clear = Array::<u8, _>::try_from(&*block).ok()?;
        cipher.decrypt_block(&mut clear);
        block.copy_from_slice(&clear);
    }
    let at = bytes.len().checked_sub(4)?;
    let length = u32::from_be_bytes(bytes[at..].try_into().ok()?) as usize;
    if length > at {
        return None;
    }
    bytes.truncate(length);
    Some(bytes)
}

/// Encrypts a text as clients do: what [`decrypt`] takes.
pub fn encrypt(key: &[u8; 32], text: &[u8]) -> Vec<u8> {
    let whole = (text.len() + 4).next_multiple_of(BLOCK);
    let mut bytes = text.to_vec();
    bytes.resize(whole - 4, 0);
    bytes.extend((text.len() as u32).to_be_bytes());
    let cipher = Aes256::new(&Array::from(*key));
    for block in bytes.chunks_exact_mut(BLOCK) {
        let mut sealed = Array::<u8, _>::try_from(&*block).expect("a whole block");
        cipher.encrypt_block(&mut sealed);
        block.copy_from_slice(&sealed);
    }
    STANDARD.encode(bytes).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_TEXT_KEY, decrypt, encrypt};

    #[test]
    fn texts_are_encrypted_as_the_original_has_them() {
        let short = b"7ejd34joW4exEPTCm838H1ocZmCK+XGVkDwQXJc3+WU=";
        assert_eq!(encrypt(&DEFAULT_TEXT_KEY, b"push while offline"), short);
        for text in [&b""[..], b"twelve bytes", b"thirteen byte"] {
            let sealed = encrypt(&DEFAULT_TEXT_KEY, text);
            assert_eq!(decrypt(&DEFAULT_TEXT_KEY, &sealed).as_deref(), Some(text));
        }
    }

    /// Golden 43.
    #[test]
    fn payloads_of_the_original() {
        let short = b"7ejd34joW4exEPTCm838H1ocZmCK+XGVkDwQXJc3+WU=";
        assert_eq!(decrypt(&DEFAULT_TEXT_KEY, short).unwrap(), b"push while offline");
        let long = b"eVIxMYYVYEynlZWidnXzlm3oMk6zRFYqtWIyT4VteJ9d5ib/7yMH525m4ID/jXE3";
        let text = decrypt(&DEFAULT_TEXT_KEY, long).unwrap();
        assert!(text.starts_with(b"push while mobile online on msg"), "{text:?}");
    }

    #[test]
    fn what_is_no_payload() {
        let text = b"7ejd34joW4exEPTCm838H1ocZmCK+XGVkDwQXJc3+WU=";
        assert_eq!(decrypt(&[7; 32], text), None, "another key");
        for wrong in [&b""[..], b"!!", b"aGk=", &text[..text.len() - 4]] {
            assert_eq!(decrypt(&DEFAULT_TEXT_KEY, wrong), None);
        }
    }
}
