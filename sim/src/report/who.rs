//! Who is who on a card: the devices of its plan.

use crate::plan::Plan;

/// A plan with more devices than these is not for reading.
const MOST_DEVICES: usize = 6;

/// Each device of a small plan: its user, what it is, and where.
pub fn devices(plan: &Plan) -> String {
    if plan.devices.len() > MOST_DEVICES {
        return String::new();
    }
    let one = |device: &crate::plan::Device| {
        let kind = if device.client.is_phone() { "phone" } else { "PC" };
        let (slot, user, host, home) = (device.slot, device.user, &device.host, &device.home);
        format!("device {slot} is a {kind} of user {user} ({host}, {home} first)")
    };
    let each: Vec<_> = plan.devices.iter().map(one).collect();
    format!("who:     {}\n", each.join("\n         "))
}
