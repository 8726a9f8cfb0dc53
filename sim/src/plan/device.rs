//! Devices of a plan.

use super::Side;
use serde::{Deserialize, Serialize};
use teamtalk::client::{Conduct, Habits, emulated};

/// Which client software a device runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Client {
    /// Windows of SYSTEM.md section 7.
    Windows,
    /// Mac of SYSTEM.md section 7.
    Mac,
    /// Android of SYSTEM.md section 7.
    Android,
    /// iOS of SYSTEM.md section 7.
    Ios,
    /// Ours, with a PC's client type.
    OursPc,
    /// Ours, with a phone's client type.
    OursPhone,
    /// Ours, with an iPhone's client type.
    OursIphone,
}

impl Client {
    /// Its name, as files have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Windows => "windows",
            Self::Mac => "mac",
            Self::Android => "android",
            Self::Ios => "ios",
            Self::OursPc => "ours_pc",
            Self::OursPhone => "ours_phone",
            Self::OursIphone => "ours_iphone",
        }
    }

    /// The client type that it logs in with (SYSTEM.md section 2).
    pub fn client_type(self) -> u32 {
        match self {
            Self::Windows | Self::OursPc => 0x01,
            Self::Mac => 0x02,
            Self::Ios | Self::OursIphone => 0x11,
            Self::Android | Self::OursPhone => 0x12,
        }
    }

    /// Its habits.
    pub fn habits(self) -> &'static Habits {
        match self {
            Self::Windows => &emulated::WINDOWS,
            Self::Mac => &emulated::MAC,
            Self::Android => &emulated::ANDROID,
            Self::Ios => &emulated::IOS,
            Self::OursPc | Self::OursPhone | Self::OursIphone => &Habits::OURS,
        }
    }

    /// Whether it is of the mobile class.
    pub fn is_phone(self) -> bool {
        self.client_type() & 0x10 != 0
    }
}

/// One device of one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Its slot: stable, a removed device leaves a gap.
    pub slot: u32,
    /// Its user's id.
    pub user: u32,
    /// Its software.
    pub client: Client,
    /// The client host that carries it.
    pub host: String,
    /// The msg_server that it tries first.
    pub home: String,
    /// The protocol of its software.
    #[serde(default)]
    pub side: Side,
    /// How it departs from what its software does.
    #[serde(default, skip_serializing_if = "is_normal")]
    pub conduct: Conduct,
    /// A phone's token for pushes is this number, the id of a user. `None`: a text of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<u32>,
}

impl Device {
    /// One of a plan that is written by hand: of the user of the same number, on the first client host, and nothing about
    /// it is unusual.
    pub fn by_hand(slot: u32, client: Client, home: &str) -> Self {
        let (user, host, home, side) = (slot, "client1".into(), home.into(), Side::Base);
        Self { slot, user, client, host, home, side, conduct: Conduct::default(), token: None }
    }

    /// What a phone registers for pushes, whenever it does.
    pub fn push_token(&self) -> String {
        self.token.map_or_else(|| format!("token-{}", self.slot), |number| number.to_string())
    }

    /// Whether it runs our program and does nothing that this would not.
    pub fn is_orderly(&self) -> bool {
        matches!(self.client, Client::OursPc | Client::OursPhone) && is_normal(&self.conduct)
    }
}

fn is_normal(conduct: &Conduct) -> bool {
    *conduct == Conduct::default()
}
