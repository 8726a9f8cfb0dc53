//! Pictures of a run (docs/PICTURE.md): a file for Perfetto, a page for a browser, a Mermaid diagram.
//!
//! Each is made of a case and what came of it, and is the same bytes for the same run.

mod decode;
mod events;
mod mermaid;
mod messages;
mod page;
mod perfetto;
mod scene;
#[cfg(test)]
mod tests;
mod words;

pub use events::Teller;
pub use mermaid::mermaid;
pub use page::{MOST_PDUS, TooLarge, fits, page};
pub use perfetto::perfetto;
