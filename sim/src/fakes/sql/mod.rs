//! A MySQL.
