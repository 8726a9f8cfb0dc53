//! Groups against scripted stores.

mod members;
mod messages;
mod read_switches;
mod repeats;
mod switches;
