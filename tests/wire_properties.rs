//! What holds for every byte string and every chunking: framing, editing, checking, attach data.
//! And for every captured PDU of the original.

use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, option, prelude::*, sample::Index};
use prost::Message;
use std::{borrow::Cow, collections::BTreeSet, fmt::Debug};
use teamtalk::catalogue;
use teamtalk::wire::{
    Header, Pdu,
    attach::Attach,
    check::{self, Checked},
    edit::Edit,
    frame::{Codec, FrameError, MAX_LEN},
    im,
};
use tokio_util::codec::{Decoder, Encoder};

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

// --- framing -------------------------------------------------------------------------------

/// What a byte stream became: its PDUs, then the length that ended it, or how much is left over.
#[derive(Debug, PartialEq)]
struct Cut {
    pdus: Vec<Pdu>,
    end: Result<usize, u32>,
}

/// Feeds a stream in chunks that end at `ends`, and holds the codec to its bound meanwhile.
fn cut(stream: &[u8], ends: &[usize]) -> Cut {
    let (mut codec, mut buffer, mut pdus) = (Codec, BytesMut::new(), Vec::new());
    let mut start = 0;
    for &end in ends.iter().chain([&stream.len()]) {
        buffer.extend_from_slice(&stream[start..end]);
        start = end;
        loop {
            let before = buffer.capacity();
            let decoded = codec.decode(&mut buffer);
            assert!(buffer.capacity() <= before, "decoding must not allocate");
            match decoded {
                Ok(Some(pdu)) => pdus.push(pdu),
                Ok(None) => break,
                Err(FrameError::Length { length, .. }) => return Cut { pdus, end: Err(length) },
                Err(FrameError::Io(e)) => panic!("{e}"),
            }
        }
    }
    Cut { pdus, end: Ok(buffer.len()) }
}

fn ends(stream: &[u8], indices: &[Index]) -> Vec<usize> {
    let mut ends: Vec<usize> = indices.iter().map(|i| i.index(stream.len() + 1)).collect();
    ends.sort_unstable();
    ends
}

fn any_pdu() -> impl Strategy<Value = Pdu> {
    (any::<[u16; 6]>(), vec(any::<u8>(), 0..200)).prop_map(|(h, body)| {
        let [version, flag, service_id, command_id, seq_num, reserved] = h;
        let header = Header { version, flag, service_id, command_id, seq_num, reserved };
        Pdu { header, body: body.into() }
    })
}

/// PDUs, then bytes that need not be one: noise alone would hardly ever be a valid length.
fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![any::<u32>(), 0..40_u32, Just(MAX_LEN), Just(MAX_LEN + 1)];
    (vec(any_pdu(), 0..4), option::of(length), vec(any::<u8>(), 0..60)).prop_map(
        |(pdus, length, noise)| {
            let mut stream: Vec<u8> = pdus.iter().flat_map(|p| p.encode()).collect();
            stream.extend(length.into_iter().flat_map(u32::to_be_bytes));
            stream.extend(noise);
            stream
        },
    )
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn framing_does_not_depend_on_chunks(stream in any_stream(), at in vec(any::<Index>(), 0..20)) {
        let whole = cut(&stream, &[]);
        prop_assert_eq!(&cut(&stream, &ends(&stream, &at)), &whole);
        let every_byte: Vec<usize> = (0..stream.len()).collect();
        prop_assert_eq!(&cut(&stream, &every_byte), &whole);
    }

    #[test]
    fn only_lengths_out_of_bounds_end_a_stream(stream in any_stream()) {
        let Cut { pdus, end } = cut(&stream, &[]);
        let used: usize = pdus.iter().map(|p| 16 + p.body.len()).sum();
        let relayed: Vec<u8> = pdus.iter().flat_map(|p| p.encode()).collect();
        prop_assert_eq!(&relayed[..], &stream[..used], "a relay writes what it read");
        let rest = &stream[used..];
        let length = rest.get(..4).map(|l| u32::from_be_bytes(l.try_into().unwrap()));
        match end {
            Err(bad) => {
                prop_assert_eq!(length, Some(bad));
                prop_assert!(!(16..=16 << 20).contains(&bad));
            }
            Ok(left) => {
                prop_assert_eq!(left, rest.len());
                if let Some(length) = length {
                    prop_assert!((16..=16 << 20).contains(&length));
                    prop_assert!(left < length as usize);
                }
            }
        }
    }

    #[test]
    fn pdus_round_trip(pdus in vec(any_pdu(), 0..6), at in vec(any::<Index>(), 0..20)) {
        let mut wire = BytesMut::new();
        for pdu in &pdus {
            Codec.encode(pdu.clone(), &mut wire).unwrap();
        }
        prop_assert_eq!(cut(&wire, &ends(&wire, &at)), Cut { pdus, end: Ok(0) });
    }

    /// A peer that announces 16 MiB and trickles must not make us set 16 MiB aside.
    #[test]
    fn a_length_alone_reserves_nothing(length in 200..=MAX_LEN, chunk in 1..50_usize) {
        let (mut buffer, mut fed) = (BytesMut::new(), 0);
        let stream = [&length.to_be_bytes()[..], &[0; 150]].concat();
        for chunk in stream.chunks(chunk) {
            buffer.extend_from_slice(chunk);
            fed += chunk.len();
            prop_assert!(Codec.decode(&mut buffer).unwrap().is_none());
            // What doubling a Vec may leave, and no more.
            prop_assert!(buffer.capacity() <= (2 * fed).max(64), "{} for {fed}", buffer.capacity());
        }
    }
}

// --- protobuf bodies -----------------------------------------------------------------------

/// One encoded occurrence of a field.
#[derive(Debug, Clone)]
struct Occurrence {
    number: u32,
    bytes: Vec<u8>,
}

fn key(number: u32, wire_type: u8, out: &mut Vec<u8>) {
    prost::encoding::encode_varint(u64::from(number << 3) | u64::from(wire_type), out);
}

fn occurrence() -> impl Strategy<Value = Occurrence> {
    let number = prop_oneof![8 => 1..12_u32, 2 => Just(20), 1 => 21..3000_u32];
    let varint = prop_oneof![0..20_u64, any::<u64>(), any::<u32>().prop_map(u64::from)];
    let value = (any::<bool>(), varint, vec(any::<u8>(), 0..40));
    // Wire types: varint, fixed64, length-delimited, group, fixed32.
    (
        number,
        prop_oneof![4 => Just(0), 1 => Just(1), 4 => Just(2), 1 => Just(3), 1 => Just(5)],
        value,
    )
        .prop_map(|(number, wire_type, (overlong, varint, bytes))| {
            let mut out = Vec::new();
            key(number, wire_type, &mut out);
            match wire_type {
                0 if overlong && varint < 128 => out.extend([varint as u8 | 0x80, 0]),
                0 => prost::encoding::encode_varint(varint, &mut out),
                1 => out.extend(varint.to_le_bytes()),
                2 => {
                    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
                    out.extend(bytes);
                }
                3 => {
                    key(1, 0, &mut out);
                    prost::encoding::encode_varint(varint, &mut out);
                    key(number, 4, &mut out);
                }
                _ => out.extend((varint as u32).to_le_bytes()),
            }
            Occurrence { number, bytes: out }
        })
}

fn concat(occurrences: &[Occurrence]) -> Vec<u8> {
    occurrences.iter().flat_map(|o| o.bytes.clone()).collect()
}

/// What an edit should leave: the last occurrence replaced, the others of the field gone.
fn edited(occurrences: &[Occurrence], number: u32, with: Option<Vec<u8>>) -> Vec<u8> {
    let last = occurrences.iter().rposition(|o| o.number == number);
    let mut out = Vec::new();
    for (i, o) in occurrences.iter().enumerate() {
        match (o.number == number, last == Some(i)) {
            (false, _) => out.extend(&o.bytes),
            (true, true) => out.extend(with.iter().flatten()),
            (true, false) => {}
        }
    }
    if last.is_none() {
        out.extend(with.into_iter().flatten());
    }
    out
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn edit_keeps_every_byte_that_it_does_not_touch(
        body in vec(occurrence(), 0..12),
        number in prop_oneof![1..12_u32, Just(20)],
        uint in any::<u64>(),
        bytes in vec(any::<u8>(), 0..40),
    ) {
        let raw = concat(&body);
        let mut set = Vec::new();
        key(number, 0, &mut set);
        prost::encoding::encode_varint(uint, &mut set);
        prop_assert_eq!(Edit::of(&raw).uint(number, uint).done(), edited(&body, number, Some(set)));

        let mut set = Vec::new();
        key(number, 2, &mut set);
        prost::encoding::encode_varint(bytes.len() as u64, &mut set);
        set.extend(&bytes);
        prop_assert_eq!(
            Edit::of(&raw).bytes(number, &bytes).done(),
            edited(&body, number, Some(set))
        );
        prop_assert_eq!(Edit::of(&raw).clear(number).done(), edited(&body, number, None));
    }

    #[test]
    fn edit_of_anything_never_panics_and_setting_twice_is_setting_once(
        body in vec(any::<u8>(), 0..100),
        number in 1..30_u32,
        value in any::<u64>(),
    ) {
        let once = Edit::of(&body).uint(number, value).done();
        prop_assert_eq!(Edit::of(&once).uint(number, value).done(), once);
        let cleared = Edit::of(&body).clear(number).done();
        prop_assert_eq!(Edit::of(&cleared).clear(number).done(), cleared);
    }

    #[test]
    fn attach_round_trips(
        kind in any::<u32>(),
        handle in any::<u32>(),
        service_type in any::<u32>(),
        pdu in option::of(vec(any::<u8>(), 0..100)),
    ) {
        let attach = Attach { kind, handle, service_type, pdu: pdu.map(Bytes::from) };
        prop_assert_eq!(Attach::decode(&attach.encode()), Some(attach));
    }

    #[test]
    fn attach_of_anything_needs_twelve_bytes(bytes in vec(any::<u8>(), 0..40)) {
        prop_assert_eq!(Attach::decode(&bytes).is_some(), bytes.len() >= 12);
    }
}

// --- check ---------------------------------------------------------------------------------

/// Any bytes, and bytes that are protobuf, some with protobuf inside.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let flat = || vec(occurrence(), 0..12).prop_map(|o| concat(&o));
    let nested = vec((1..7_u32, flat()), 0..4).prop_map(|messages| {
        let mut out = vec![];
        for (number, body) in messages {
            prost::encoding::bytes::encode(number, &body, &mut out);
        }
        out
    });
    prop_oneof![
        vec(any::<u8>(), 0..100),
        flat(),
        (flat(), nested).prop_map(|(a, b)| [a, b].concat())
    ]
}

/// What `check` lets through, prost must decode, and write again as something that conforms.
fn decodes<M: Checked + PartialEq + Debug>(body: &[u8]) {
    let conforms = check::conform(M::TABLE, body);
    let view = check::decode::<M>(body);
    assert_eq!(check::decode_shared::<M>(&Bytes::copy_from_slice(body)), view, "{}", M::NAME);
    assert_eq!(conforms.is_ok(), view.is_ok(), "{}: {conforms:?}, {:?}", M::NAME, view.err());
    if let Ok(view) = view {
        let again = view.encode_to_vec();
        assert!(matches!(check::conform(M::TABLE, &again), Ok(Cow::Borrowed(_))), "{}", M::NAME);
    }
}

/// The last value of a field that is in the enum, as a naive reader finds it.
fn last_in(values: &[u64], allowed: &[u64]) -> Option<i32> {
    values.iter().rev().find(|v| allowed.contains(&(**v & 0xffff_ffff))).map(|v| *v as i32)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn check_of_anything_never_panics(body in any_body()) {
        for table in check::ALL {
            if let Ok(clean) = check::conform(table, &body) {
                let again = check::conform(table, &clean);
                prop_assert!(
                    matches!(&again, Ok(Cow::Borrowed(same)) if *same == &clean[..]),
                    "{}: nothing more to leave out", table.name
                );
            }
        }
        decodes::<im::base_define::UserInfo>(&body);
        decodes::<im::buddy::ImUserStatNotify>(&body);
        decodes::<im::buddy::ImUsersStatReq>(&body);
        decodes::<im::file::ImFileRsp>(&body);
        decodes::<im::group::ImGroupInfoListReq>(&body);
        decodes::<im::login::ImDeviceTokenReq>(&body);
        decodes::<im::login::ImLoginRes>(&body);
        decodes::<im::login::ImLogoutReq>(&body);
        decodes::<im::message::ImMsgData>(&body);
        decodes::<im::message::ImUnreadMsgCntRsp>(&body);
        decodes::<im::server::ImGetDeviceTokenReq>(&body);
        decodes::<im::server::ImOnlineUserInfo>(&body);
    }

    #[test]
    fn enums_count_as_a_naive_reader_counts_them(
        status in vec(prop_oneof![0..5_u64, any::<u64>(), Just(1 << 32 | 2)], 0..4),
        client in vec(prop_oneof![0..0x14_u64, any::<u64>()], 0..4),
        unknown in any::<u64>(),
    ) {
        use im::login::{ImLoginReq, ImLoginRes};
        let put = |number: u32, values: &[u64], out: &mut Vec<u8>| {
            for value in values {
                prost::encoding::uint64::encode(number, value, out);
                prost::encoding::uint64::encode(77, &unknown, out);
            }
        };
        let status_in = last_in(&status, &[1, 2, 3]);
        let client_in = last_in(&client, &[1, 2, 0x11, 0x12]);

        let mut body = vec![0x0a, 1, b'a', 0x12, 0];
        put(3, &status, &mut body);
        put(4, &client, &mut body);
        let request = check::decode::<ImLoginReq>(&body).ok();
        let seen = request.as_ref().map(|r| (r.online_status, r.client_type));
        prop_assert_eq!(seen, status_in.zip(client_in), "required: malformed without");

        let mut body = vec![0x08, 1, 0x10, 0];
        put(4, &status, &mut body);
        let response = check::decode::<ImLoginRes>(&body).unwrap();
        prop_assert_eq!(response.online_status, status_in, "optional: None without");
    }

    #[test]
    fn unknown_fields_change_nothing(extra in vec(occurrence(), 0..6), at in any::<Index>()) {
        let message = im::message::ImMsgData {
            from_user_id: 1,
            to_session_id: 2,
            msg_id: 3,
            create_time: 4,
            msg_type: 0x11,
            msg_data: "text".into(),
            attach_data: Some("attach".into()),
            send_token: None,
        };
        let mut body = message.encode_to_vec();
        let extra: Vec<Occurrence> =
            extra.into_iter().filter(|o| !(1..=6).contains(&o.number) && ![20, 101].contains(&o.number)).collect();
        // Each field but the last two is two bytes long.
        let place = at.index(6) * 2;
        body.splice(place..place, concat(&extra));
        prop_assert_eq!(check::decode::<im::message::ImMsgData>(&body), Ok(message));
    }
}

// --- captures ------------------------------------------------------------------------------

/// Commands of which a capture has a body that is not whole, and why.
const NOT_WHOLE: &[(u16, &str)] = &[(
    catalogue::id::LOGIN_RES_DEVICETOKEN,
    "msg_server answers by itself with an empty body (SYSTEM.md section 4)",
)];

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[i * 2..i * 2 + 2], 16).expect("hex"))
        .collect()
}

#[test]
fn every_captured_pdu_is_read_whole_and_written_alike() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let (mut read, mut checked) = (0, 0);
    let mut not_whole = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("golden") {
        let path = entry.expect("entry").path();
        if !path.to_string_lossy().ends_with(".pdus.jsonl") {
            continue;
        }
        for line in std::fs::read_to_string(&path).expect("capture").lines() {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let Some(header) = line["header_hex"].as_str() else { continue };
            let mut bytes = unhex(header);
            bytes.extend(unhex(line["body_hex"].as_str().unwrap_or_default()));
            let mut wire = BytesMut::from(&bytes[..]);
            let pdu = Codec.decode(&mut wire).expect("a length").expect("a whole PDU");
            assert!(wire.is_empty(), "{line}");
            assert_eq!(pdu.encode(), bytes, "{line}");
            read += 1;
            let command = catalogue::of(pdu.command()).expect("a command of the catalogue");
            match check::conform(command.body, &pdu.body) {
                Ok(Cow::Borrowed(_)) => checked += 1,
                _ => drop(not_whole.insert(command.id)),
            }
        }
    }
    assert!(read > 100 && checked > 100, "{read} PDUs, {checked} of them checked");
    assert_eq!(not_whole, NOT_WHOLE.iter().map(|(command, _)| *command).collect());
}
