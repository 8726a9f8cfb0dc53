//! Numbers of the fields that a server sets in the raw bytes of a PDU. That of the attach data is
//! [`super::attach::FIELD`].

/// The user in every relayed request, and the sender in IMMsgData.
pub const USER_ID: u32 = 1;

/// `msg_id` of IMMsgData.
pub const MSG_ID: u32 = 3;

/// `create_time` of IMMsgData.
pub const CREATE_TIME: u32 = 4;

/// `client_type` of IMDeviceTokenReq.
pub const CLIENT_TYPE: u32 = 3;

/// `ip_addr_list` of IMFileHasOfflineRsp.
pub const IP_ADDR_LIST: u32 = 3;
