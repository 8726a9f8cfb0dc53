//! Each rule of a device.
