//! The rig: plans, the simulated world, fakes of the stores, properties.

pub mod fakes;
