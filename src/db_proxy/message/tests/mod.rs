//! Messages, reads and counts of twos, and audio, against scripted stores.

mod audio;
mod first_marks;
mod read_switches;
mod reads;
mod round_trips;
mod send;
mod send_switches;
