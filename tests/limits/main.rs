//! Every limit of the catalogue in a world under `hardened`: what is one under it or at it is served, what is one
//! over it is refused with a reason, no link between servers closes, and nobody else notices.
//!
//! `plans` has what a device of a plan can try. The rest needs raw connections (`raw`): whoever is not logged in
//! (`strangers`), what is counted (`rates`, `waiting`), claims, and bodies that have to be right to be served
//! (`messages`). What one device may cost is in `devices`,
//! answers that are long in `answers`. Which limit is tried where, and why two are tried in no world, is in `list`.

mod answers;
mod devices;
mod list;
mod messages;
mod plans;
mod rates;
mod raw;
mod strangers;
mod waiting;
