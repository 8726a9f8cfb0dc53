//! A statement with its parameters in their places, for the text protocol, in which several statements
//! travel in one packet.
//!
//! Why a parameter can't become a part of the statement: a text is written between single quotes with a
//! backslash before each quote and backslash and `\0` for a zero byte. That a backslash escapes, and that
//! the text is UTF-8, is no assumption: [`super::SESSION`] sets both on each connection. In UTF-8 no byte
//! below 0x80 is a part of a longer character, so whatever bytes come before a quote or a backslash, also
//! such as are no UTF-8, the server takes the backslash for itself.

use crate::store::sql::{SqlError, Statement, Value};

/// MySQL's "Incorrect arguments": another number of parameters than of marks.
const INCORRECT_ARGUMENTS: u16 = 1210;

/// Appends a statement to what is to be sent, with a parameter in the place of each `?` that stands outside
/// quotes.
///
/// # Errors
/// 1210 if there are not as many marks as parameters.
pub fn write(statement: Statement<'_>, out: &mut Vec<u8>) -> Result<(), SqlError> {
    let mut params = statement.params.iter();
    let wrong = || SqlError::Server {
        code: INCORRECT_ARGUMENTS,
        message: "Incorrect arguments to EXECUTE".to_string(),
    };
    let mut quote = None;
    for &byte in statement.text.as_bytes() {
        match (quote, byte) {
            (None, b'?') => literal(params.next().ok_or_else(wrong)?, out),
            (None, b'\'' | b'"' | b'`') => {
                quote = Some(byte);
                out.push(byte);
            }
            (Some(open), _) if open == byte => {
                quote = None;
                out.push(byte);
            }
            _ => out.push(byte),
        }
    }
    params.next().is_none().then_some(()).ok_or_else(wrong)
}

fn literal(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend(b"NULL"),
        Value::Int(n) => out.extend(n.to_string().as_bytes()),
        Value::Bytes(bytes) => {
            out.push(b'\'');
            for &byte in bytes {
                match byte {
                    b'\'' | b'\\' => out.extend([b'\\', byte]),
                    0 => out.extend(b"\\0"),
                    _ => out.push(byte),
                }
            }
            out.push(b'\'');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::write;
    use crate::store::sql::{SqlError, Statement, Value};
    use proptest::{collection::vec, prelude::*};

    fn written(text: &str, params: &[Value]) -> Result<Vec<u8>, SqlError> {
        let mut out = Vec::new();
        write(Statement { text, params }, &mut out).map(|()| out)
    }

    #[test]
    fn parameters_take_the_places_of_the_marks_in_order() {
        let params = [Value::Int(-3), Value::Null, "it's \\ \0".into()];
        let out = written("update T set a=?, b=? where `c?`='?' and d=\"?\" and e=?", &params);
        let expected =
            b"update T set a=-3, b=NULL where `c?`='?' and d=\"?\" and e='it\\'s \\\\ \\0'";
        assert_eq!(out.expect("as many as marks"), expected);
    }

    #[test]
    fn as_many_parameters_as_marks() {
        for (text, params) in [("?", vec![]), ("1", vec![Value::Null]), ("'?'", vec![Value::Null])]
        {
            let wrong = written(text, &params).expect_err("another number");
            assert!(matches!(wrong, SqlError::Server { code: 1210, .. }), "{wrong}");
        }
    }

    /// What a server reads: the bytes of a literal, and what follows it. As its lexer does: it goes by
    /// bytes, since no byte of a longer character is a quote or a backslash.
    fn read(text: &[u8]) -> (Vec<u8>, &[u8]) {
        assert_eq!(text[0], b'\'');
        let (mut value, mut at) = (Vec::new(), 1);
        loop {
            match text[at] {
                b'\'' => return (value, &text[at + 1..]),
                b'\\' => {
                    value.push(if text[at + 1] == b'0' { 0 } else { text[at + 1] });
                    at += 2;
                }
                byte => {
                    value.push(byte);
                    at += 1;
                }
            }
        }
    }

    proptest! {
        /// Of all bytes, and more often of those that mean something.
        #[test]
        fn a_text_is_read_as_it_was_given(
            bytes in vec(prop_oneof![any::<u8>(), Just(b'\''), Just(b'\\'), Just(0), Just(0xe4)], 0..40)
        ) {
            let out = written("? union select 1", &[Value::from(&bytes[..])]).expect("one mark");
            prop_assert_eq!(read(&out), (bytes, &b" union select 1"[..]));
        }
    }
}
