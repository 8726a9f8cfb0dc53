//! What the pages for a browser have in common: one file that loads nothing, its colours, and its escaping.

use super::junit::escaped;

/// A page with this in it; `style` comes after what all pages have. `body` is HTML, and `title` is text.
pub(crate) fn document(title: &str, style: &str, body: &str) -> String {
    let (title, shared) = (text(title), include_str!("html/shared.css"));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{shared}{style}\n</style>\n</head>\n\
         <body>\n{body}\n</body>\n</html>\n"
    )
}

/// A text as it is written between tags, or in the quotes of an attribute: nothing in it is read as HTML.
pub(crate) fn text(text: &str) -> String {
    escaped(text, "")
}
