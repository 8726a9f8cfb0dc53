//! Groups against scripted stores.

mod job;
mod members;
mod messages;
mod read_switches;
mod repeats;
mod switches;
