//! Fakes for the unit tests of the handlers.
