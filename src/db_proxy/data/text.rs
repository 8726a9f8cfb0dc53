//! Strings of the generated messages: the one place that knows how they are represented.

use bytes::Bytes;

/// A column or constant as a string field of a message.
pub fn text(bytes: impl Into<Bytes>) -> Bytes {
    bytes.into()
}

/// The bytes of a string field, whatever its representation.
pub fn raw<T: AsRef<[u8]> + ?Sized>(text: &T) -> &[u8] {
    text.as_ref()
}

/// The number that a Redis value starts with; 0 if it starts with no digit, as C's `atoi` has it.
pub fn number(value: &[u8]) -> u32 {
    let digits = value.iter().take_while(|b| b.is_ascii_digit());
    digits.fold(0_u32, |n, b| n.saturating_mul(10).saturating_add(u32::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_read_as_far_as_they_go() {
        assert_eq!(number(b"12"), 12);
        assert_eq!(number(b"7x"), 7);
        assert_eq!(number(b""), 0);
        assert_eq!(number(b"-3"), 0);
        assert_eq!(number(b"99999999999"), u32::MAX);
    }
}
